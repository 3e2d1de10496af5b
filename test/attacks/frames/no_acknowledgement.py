# attack: displays a hundred thousand values without reading the acknowledgements
# verdict: completed | incomplete timeout
# prints: printed before
# timeout_ms: 5000
import os
import struct

print("printed before")
head = b'{"type":"result","text":"x"}'
data = (struct.pack(">BII", 0x45, len(head), 0) + head) * 1000
for _ in range(100):
    rest = data
    while rest:
        rest = rest[os.write(3, rest) :]
