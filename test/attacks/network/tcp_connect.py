# attack: opens TCP connections to the internet, to the host and to the container bridge
# verdict: completed
# prints: blocked
# timeout_ms: 20000
import socket

targets = [("1.1.1.1", 443), ("8.8.8.8", 53), ("192.0.2.1", 80), ("10.0.0.1", 80), ("172.17.0.1", 2375), ("192.168.0.1", 80),
           ("2606:4700:4700::1111", 443), ("fe80::1", 80)]
reached = []
for address, port in targets:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect((address, port))
            reached.append(address)
        except ConnectionRefusedError:
            # A host answered, even if it refused.
            reached.append(address)
        except OSError:
            pass
print(f"breached: {reached}" if reached else "blocked")
