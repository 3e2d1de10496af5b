# attack: allocates System V segments, which outlive their processes
# verdict: incomplete memory | completed
# prints: before
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
print("before")
total = 0
for number in range(64):
    segment = libc.shmget(0, 64 << 20, 0o1600)
    if segment < 0:
        break
    address = libc.shmat(segment, None, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(address, 1, 64 << 20)
    total += 64
print("breached: it fitted" if total > 1024 else "refused")
