# attack: forks without end, every child as well
# verdict: incomplete timeout | incomplete processes | failed exception
# prints: before
# timeout_ms: 3000
import os

print("before")
while True:
    try:
        os.fork()
    except OSError:
        pass
