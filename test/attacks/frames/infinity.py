# attack: sends a number that JSON can express and no parser can represent
# verdict: completed
# prints: printed after
import os
import struct
import time

head = b'{"type":"json","role":"result","data":1e999}'
os.write(3, struct.pack(">BII", 0x45, len(head), 0) + head)
time.sleep(0.2)
print("printed after")
