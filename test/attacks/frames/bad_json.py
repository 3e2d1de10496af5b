# attack: sends heads that are not JSON, or JSON that parsers disagree about
# verdict: completed
# prints: printed after
import os
import struct
import time

print("printed before")
heads = [b"{", b"[]", b"null", b"\xff\xfe", b'{"a":NaN}', b'{"type":"json","role":"result","data":1e999}', b'{"type":"json","role":"result","data":-1e999}',
         b'{"type":"json","role":"result","data":' + b"9" * 5000 + b"}", b'{"type":"json","role":"result","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
         b'{"type":"json","role":"result","data":"\\ud800"}', b'{"type":"result","type":"json","text":"x"}', b'{"type":"json","role":"result","data":' + b'{"a":' * 5000 + b"1" + b"}" * 5001]
for head in heads:
    if os.fork() == 0:
        os.write(3, struct.pack(">BII", 0x45, len(head), 0) + head)
        os._exit(0)
    os.wait()
    time.sleep(0.02)
print("printed after")
