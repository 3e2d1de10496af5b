# attack: resolves names, with the resolver and by querying name servers itself
# verdict: completed
# prints: blocked
# timeout_ms: 20000
import socket

answers = []
for name in ("example.com", "host.docker.internal", "gateway.docker.internal", "metadata.google.internal", "kubernetes.default.svc"):
    try:
        answers.append(socket.getaddrinfo(name, 80))
    except OSError:
        pass
query = bytes.fromhex("123401000001000000000000076578616d706c6503636f6d0000010001")
servers = ["127.0.0.11", "127.0.0.53", "8.8.8.8", "1.1.1.1"]
try:
    servers += [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
except OSError:
    pass
for server in servers:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            with socket.socket(socket.AF_INET, kind) as client:
                client.settimeout(0.5)
                client.connect((server, 53))
                client.sendall(query)
                answers.append(client.recv(512))
        except OSError:
            pass
print(f"breached: {answers}" if answers else "blocked")
