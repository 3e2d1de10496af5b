# attack: turns address randomisation off and reading into executing, for an exploit's convenience
# verdict: completed
# prints: blocked
# runtime: runc (a kernel of its own takes the number and does nothing with it)
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
done = [hex(flags) for flags in (0x0040000, 0x0400000, 0x0100000, 0x0008, 0x8000000) if libc.personality(flags) != -1]
print(f"breached: {done}" if done else "blocked")
