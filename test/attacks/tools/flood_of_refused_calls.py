# attack: floods the socket with calls that are refused
# verdict: completed | incomplete timeout
# timeout_ms: 8000
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


for at in range(200_000):
    send({"call": at + 1, "name": "nothing"})
print("done")
