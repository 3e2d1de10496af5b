# attack: reads the answers of its parent's calls in a fork
# verdict: completed | incomplete timeout
# timeout_ms: 3000
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


pid = os.fork()
if pid == 0:
    while os.read(4, 100):
        pass
    os._exit(0)
try:
    print("done", echo(x=1))
except ToolError:
    print("done")
os.kill(pid, 9)
