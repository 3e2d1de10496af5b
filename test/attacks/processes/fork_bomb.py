# attack: forks without end, every child as well
# verdict: incomplete timeout | incomplete processes | failed exception
# ends the sandbox: runsc (its kernel takes threads of the host for each fork, and dies where it is refused one)
# prints: before
# timeout_ms: 3000
import os

print("before")
while True:
    try:
        os.fork()
    except OSError:
        pass
