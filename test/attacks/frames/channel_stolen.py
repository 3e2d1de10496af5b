# attack: replaces the result channel with a file
# verdict: completed
# prints: printed after
# files: ["channel"]
# timeout_ms: 15000
import os

print("printed after")
file = os.open("channel", os.O_RDWR | os.O_CREAT)
os.dup2(file, 3)
42
