# attack: reports thousands of exceptions, and one that claims the disk was full
# verdict: completed
# prints: printed after
import json
import os
import struct

head = json.dumps({"name": "OSError", "value": "x" * 1000, "traceback": ["line"] * 1000, "line": 1, "errno": 28}).encode()
for _ in range(2000):
    data = struct.pack(">BII", 0x46, len(head), 0) + head
    while data:
        data = data[os.write(3, data) :]
print("printed after")
