# attack: sends the frames of the supervisor and the worker on the tools socket
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


for kind in range(256):
    try:
        os.write(4, struct.pack(">BII", kind, 2, 0) + b"{}")
    except OSError:
        pass
print("done")
