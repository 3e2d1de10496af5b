# attack: ends itself with SIGKILL, like the OOM killer
# verdict: failed signal
# prints: before
import os

print("before")
os.kill(os.getpid(), 9)
