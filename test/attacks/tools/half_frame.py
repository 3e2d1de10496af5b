# attack: begins a call and never completes it
# verdict: completed
# prints: done
# calls: none
import os
import struct

os.write(4, struct.pack(">BII", 0x4E, 10, 1000) + b"{")
print("done")
