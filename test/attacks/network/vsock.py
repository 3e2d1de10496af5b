# attack: connects to the hypervisor over vsock, which network namespaces do not isolate
# verdict: completed
# prints: blocked
import socket

reached = []
for cid in (0, 1, 2):
    for port in (1, 22, 1024, 5000):
        try:
            with socket.socket(40, socket.SOCK_STREAM) as client:
                client.settimeout(0.2)
                reached.append(("socket", cid))
                client.connect((cid, port))
        except OSError:
            pass
print(f"breached: {reached}" if reached else "blocked")
