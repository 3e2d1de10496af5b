# attack: leaves folders a thousand deep, with a file at the bottom
# verdict: completed
# prints: made
# files: ["top.txt"]
import os

open("top.txt", "w").close()
for number in range(1000):
    os.mkdir("deep")
    os.chdir("deep")
with open("bottom.txt", "w") as file:
    file.write("x")
print("made")
