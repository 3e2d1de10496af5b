# attack: turns off address randomisation and makes readable memory executable
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel accepts the value and ignores it)
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
done = [hex(flags) for flags in (0x0040000, 0x0400000, 0x0100000, 0x0008, 0x8000000) if libc.personality(flags) != -1]
print(f"breached: {done}" if done else "blocked")
