# attack: maps memory and touches every page
# verdict: incomplete memory
# timeout_ms: 15000
# prints: before
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import mmap

print("before")
area = mmap.mmap(-1, 8 << 30)
for offset in range(0, 8 << 30, 4096):
    area[offset] = 1
print("breached: it fitted")
