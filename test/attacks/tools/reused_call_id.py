# attack: reuses the id of a call that is open
# verdict: completed
# prints: done
# calls: at most 1
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


for _ in range(5):
    send({"call": 7, "name": "silent"})
print("done")
