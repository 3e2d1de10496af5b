# attack: closes the tools socket and calls
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


os.close(4)
try:
    echo(x=1)
except ToolError as error:
    print("done", error)
