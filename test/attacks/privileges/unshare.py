# attack: creates namespaces, the usual first step of a kernel exploit
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel may allow it: its namespaces are not the host's)
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
flags = {"user": 0x10000000, "mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000, "cgroup": 0x2000000, "time": 0x80}
done = []
for name, flag in flags.items():
    for extra in (0, flags["user"]):
        child = os.fork()
        if child == 0:
            os._exit(0 if libc.syscall(272, flag | extra) == 0 else 1)
        if os.waitpid(child, 0)[1] == 0:
            done.append((name, extra))
print(f"breached: {done}" if done else "blocked")
