# attack: sends a call on the channel of the outputs
# verdict: completed
# prints: done
# calls: none
import json
import os
import signal
import struct

signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def send(head, body=b'{"x": 1}'):
    head = json.dumps(head).encode()
    data = struct.pack(">BII", 0x4E, len(head), len(body)) + head + body
    try:
        while data:
            data = data[os.write(4, data) :]
    except OSError:
        pass


head = b'{"call": 1, "name": "echo"}'
for kind in (0x4E, 0x4F):
    try:
        os.write(3, struct.pack(">BII", kind, len(head), 8) + head + b'{"x": 1}')
    except OSError:
        pass
print("done")
