# attack: closes every descriptor it has, then goes on
# verdict: completed | failed exit
# files: ["after.txt"]
import os

os.closerange(0, 1 << 16)
with open("after.txt", "w") as file:
    file.write("still here")
