# attack: announces frames of four gigabytes and sends no bytes
# verdict: completed
# prints: printed after
import os
import struct

for kind in (0x45, 0x46):
    for head, body in ((0xFFFFFFFF, 0xFFFFFFFF), (0, 0xFFFFFFFF), (0xFFFFFFFF, 0)):
        try:
            os.write(3, struct.pack(">BII", kind, head, body))
        except OSError:
            pass
print("printed after")
