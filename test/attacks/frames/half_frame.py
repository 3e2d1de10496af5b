# attack: begins a frame and never completes it, so that its reader waits
# verdict: completed
# prints: printed after
import os
import struct

try:
    os.write(3, struct.pack(">BII", 0x45, 1000, 1000) + b'{"type":')
except OSError:
    pass
print("printed after")
