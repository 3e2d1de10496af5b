# attack: gives calls ids that are no small numbers
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


for call in (-1, 0, 2**40, 1.5, "1", None, True, [1], {}):
    send({"call": call, "name": "echo"})
print("done")
