# attack: forks without end, every child as well
# verdict: incomplete timeout | incomplete processes | failed exception
# prints: before
# timeout_ms: 3000
# ends the sandbox: runsc (its kernel may give up under many forks, and ends the sandbox)
import os

print("before")
while True:
    try:
        os.fork()
    except OSError:
        pass
