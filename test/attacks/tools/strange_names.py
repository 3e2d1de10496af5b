# attack: gives names that are no texts
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


for name in (["echo"], {"echo": 1}, 1, None, "echo\0", "e" * 900):
    send({"call": 1, "name": name})
print("done")
