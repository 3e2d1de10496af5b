# attack: sends eight megabytes of brackets, which use far more memory in a parser
# verdict: completed
# timeout_ms: 15000
# prints: printed before
import os
import struct

print("printed before")
head = b'{"type":"json","role":"result","data":[' + b"[]," * 2_600_000 + b"[]]}"
for _ in range(3):
    data = struct.pack(">BII", 0x45, len(head), 0) + head
    while data:
        data = data[os.write(3, data) :]
