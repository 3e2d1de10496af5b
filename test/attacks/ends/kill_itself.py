# attack: ends itself the way the kernel ends those who use too much memory
# verdict: failed signal
# prints: before
import os

print("before")
os.kill(os.getpid(), 9)
