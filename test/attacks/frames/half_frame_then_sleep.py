# attack: begins a frame and sleeps past its time limit
# verdict: incomplete timeout
# prints: printed before
# timeout_ms: 2000
import os
import struct
import time

print("printed before")
os.write(3, struct.pack(">BII", 0x45, 1000, 1000) + b'{"type":')
time.sleep(1000)
