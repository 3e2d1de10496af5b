# attack: configures a network: interfaces over netlink, addresses and routes over ioctl, tun devices
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's own kernel has a tun device, and no network behind it)
import fcntl
import os
import socket
import struct

done = []
try:
    with socket.socket(16, socket.SOCK_RAW, 0) as netlink:
        # RTM_NEWLINK of kind dummy
        kind = struct.pack("HH", 9, 1) + b"dummy\0\0\0"
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 4 + len(kind), 18) + kind
        netlink.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
        answer = netlink.recv(4096)
        if struct.unpack_from("i", answer, 16)[0] == 0:
            done.append("new link")
except OSError:
    pass
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as control:
    for name, request, data in (
        ("address", 0x8916, struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton("192.0.2.9"))),
        ("flags", 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x100)),
        ("bridge", 0x89A0, b"br9\0" + bytes(12)),
    ):
        try:
            fcntl.ioctl(control, request, data)
            done.append(name)
        except OSError:
            pass
try:
    os.close(os.open("/dev/net/tun", os.O_RDWR))
    done.append("tun")
except OSError:
    pass
print(f"breached: {done}" if done else "blocked")
