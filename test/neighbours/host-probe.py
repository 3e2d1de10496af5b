"""Makes one of each thing that the kernel counts by account, as root of the host may need to. Fails when one is refused."""

import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)


def check(name: str, answer: int) -> int:
    if answer < 0:
        raise SystemExit(f"{name}: {os.strerror(ctypes.get_errno())}")
    return answer


check("inotify_init1", libc.inotify_init1(0))
timer = ctypes.c_void_p()
check("timer_create", libc.timer_create(1, None, ctypes.byref(timer)))
librt = ctypes.CDLL("librt.so.1", use_errno=True)
name = f"/probe-{os.getpid()}".encode()
librt.mq_open.restype = ctypes.c_int
check("mq_open", librt.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None))
check("mq_unlink", librt.mq_unlink(name))
ours, theirs = socket.socketpair()
socket.send_fds(ours, [b"x"], [0] * 16)
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
client.sendall(b"x" * 65_536)
read, write = os.pipe()
check("F_SETPIPE_SZ", libc.fcntl(write, 1031, 1 << 20))
check("openpt", os.openpty()[0])
print("all made")
