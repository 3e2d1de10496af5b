# attack: sends JSON as deep as the channel's parser allows, to break the next parser
# verdict: completed
# prints: printed after
import os
import struct
import time

for depth in (500, 900, 2000, 5000, 20_000, 200_000):
    head = b'{"type":"json","role":"result","data":' + b"[" * depth + b"]" * depth + b"}"
    try:
        os.write(3, struct.pack(">BII", 0x45, len(head), 0) + head)
    except OSError:
        break
    time.sleep(0.05)
print("printed after")
