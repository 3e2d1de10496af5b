# attack: calls from a forked process
# verdict: completed
# prints: done 3
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


pid = os.fork()
if pid == 0:
    try:
        echo(x=1)
    except ToolError:
        os._exit(3)
    os._exit(4)
print("done", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
