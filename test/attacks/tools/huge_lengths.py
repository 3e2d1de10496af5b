# attack: announces a call of four gigabytes
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


os.write(4, struct.pack(">BII", 0x4E, 0xFFFFFFFF, 0xFFFFFFFF) + b"{}" * 5000)
print("done")
