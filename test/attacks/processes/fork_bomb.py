# attack: forks forever, and so does every child
# verdict: incomplete timeout | incomplete processes | failed exception
# ends the sandbox: runsc (gVisor's kernel uses host threads for each fork and dies when it is refused one)
# prints: before
# timeout_ms: 3000
import os

print("before")
while True:
    try:
        os.fork()
    except OSError:
        pass
