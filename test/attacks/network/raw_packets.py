# attack: sends packets it builds itself, over raw and packet sockets
# verdict: completed
# prints: blocked
import socket

opened = []
for family, kind, protocol in (
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
):
    try:
        socket.socket(family, kind, protocol).close()
        opened.append((family, protocol))
    except OSError:
        pass
print(f"breached: {opened}" if opened else "blocked")
