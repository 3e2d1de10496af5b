# attack: sends datagrams out, to unicast, broadcast and multicast addresses
# verdict: completed
# prints: blocked
import socket

sent = []
for address in ("8.8.8.8", "192.0.2.1", "172.17.0.1", "255.255.255.255", "224.0.0.251", "169.254.1.1"):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.sendto(b"hello", (address, 53))
            sent.append(address)
    except OSError:
        pass
print(f"breached: {sent}" if sent else "blocked")
