# attack: sends the frames of the supervisor and the worker on the tools socket
# verdict: completed
# prints: done
# calls: none
import os
import struct

for kind in range(256):
    try:
        os.write(4, struct.pack(">BII", kind, 2, 0) + b"{}")
    except OSError:
        pass
print("done")
