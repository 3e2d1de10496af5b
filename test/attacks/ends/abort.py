# attack: aborts the interpreter
# verdict: failed signal
# prints: before
import os

print("before")
os.abort()
