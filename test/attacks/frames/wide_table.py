# attack: sends a table of a million invalid cells, to cause a million error messages
# verdict: completed
# prints: printed after
# timeout_ms: 15000
import os
import struct

head = b'{"type":"table","role":"result","columns":[],"row_count":0,"truncated":false,"rows":[[' + b"{}," * 1_000_000 + b"{}]]}"
names = b'{"type":"html","role":"result","text":"","data":{' + b",".join(b'"%d":0' % name for name in range(400_000)) + b"}}"
few = b'{"type":"table","role":"result","columns":[],"row_count":0,"truncated":false,"rows":[[' + b"{}," * 80_000 + b"{}]]}"
for data in (head, names, few, few):
    data = struct.pack(">BII", 0x45, len(data), 0) + data
    while data:
        data = data[os.write(3, data) :]
    os.read(3, 1)
print("printed after")
