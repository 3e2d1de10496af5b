# attack: sends arguments that its tool does not take, past the checks in the sandbox
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


for at, body in enumerate((b"[]", b"null", b"{", b"", b'{"x": "no"}', b'{"y": 1}', b"\xff\xfe", b"[" * 5000)):
    send({"call": at + 1, "name": "echo"}, body)
print("done")
