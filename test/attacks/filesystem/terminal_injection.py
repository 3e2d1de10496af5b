# attack: injects keystrokes into a terminal
# verdict: completed
# prints: blocked
import fcntl
import os

done = []
for path in ("/dev/tty", "/dev/console", "/dev/pts/0", "/proc/1/fd/0", None):
    try:
        file = 0 if path is None else os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(file, 0x5412, b"x")
        done.append(path)
    except OSError:
        pass
print(f"breached: {done}" if done else "blocked")
