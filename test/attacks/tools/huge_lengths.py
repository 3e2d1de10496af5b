# attack: announces a call of four gigabytes
# verdict: completed
# prints: done
# calls: none
import os
import struct

os.write(4, struct.pack(">BII", 0x4E, 0xFFFFFFFF, 0xFFFFFFFF) + b"{}" * 5000)
print("done")
