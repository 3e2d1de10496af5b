# attack: kills itself as the kernel does with processes that use too much memory
# verdict: failed signal
# prints: before
import os

print("before")
os.kill(os.getpid(), 9)
