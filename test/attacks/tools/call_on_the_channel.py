# attack: sends a call on the channel of the outputs
# verdict: completed
# prints: done
# calls: none
import os
import struct

head = b'{"call": 1, "name": "echo"}'
for kind in (0x4E, 0x4F):
    try:
        os.write(3, struct.pack(">BII", kind, len(head), 8) + head + b'{"x": 1}')
    except OSError:
        pass
print("done")
