# attack: forty processes allocate memory together
# verdict: incomplete memory | incomplete timeout
# prints: before
# timeout_ms: 8000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import os
import time

print("before")
for _ in range(40):
    if os.fork() == 0:
        block = b"x" * (48 << 20)
        time.sleep(1000)
while True:
    try:
        if os.wait()[1] == 0:
            break
    except ChildProcessError:
        break
