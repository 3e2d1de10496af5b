# attack: holds more calls open than allowed, past the client in the sandbox
# verdict: completed
# prints: done
# calls: at most 32
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


for at in range(100):
    send({"call": at + 1, "name": "silent"})
print("done")
