# attack: replaces itself by a shell that keeps every descriptor open and writes to them
# verdict: completed
# prints: shell
import fcntl
import os

for descriptor in range(3, 256):
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
    except OSError:
        pass
os.execv("/bin/sh", ["sh", "-c", "for fd in 3 4 5 6 7 8 9; do (echo nonsense >&$fd) 2>/dev/null; done; echo shell"])
