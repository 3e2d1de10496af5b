# attack: maps memory and touches every page
# verdict: incomplete memory
# prints: before
import mmap

print("before")
area = mmap.mmap(-1, 8 << 30)
for offset in range(0, 8 << 30, 4096):
    area[offset] = 1
print("breached: it fitted")
