# attack: reports success over its result channel, then fails
# verdict: failed exit
# prints: printed before
import os
import struct

print("printed before")
head = b'{"end":"ok","exit_code":0}'
for descriptor in range(3, 64):
    try:
        os.write(descriptor, struct.pack(">BII", 0x4A, len(head), 0) + head)
    except OSError:
        pass
os._exit(3)
