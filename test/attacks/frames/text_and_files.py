# attack: sends text and files over its result channel, which carries neither
# verdict: completed | failed exit
# never prints: forged-by-attack
import os
import struct


def frame(kind, head, body=b""):
    return struct.pack(">BII", kind, len(head), len(body)) + head + body


for descriptor in range(3, 64):
    try:
        os.write(descriptor, frame(0x47, b'{"name":"forged-by-attack","change":"created","size":1}') + frame(0x48, b"", b"x") + frame(0x49, b'{"complete":true}'))
        os.write(descriptor, frame(0x43, b"", b"forged-by-attack"))
    except OSError:
        pass
