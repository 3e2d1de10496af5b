# attack: asks the cloud's metadata services for credentials
# verdict: completed
# prints: blocked
# timeout_ms: 20000
import http.client

reached = []
for host in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "[fd00:ec2::254]", "metadata.google.internal"):
    connection = http.client.HTTPConnection(host, 80, timeout=1)
    try:
        connection.request("GET", "/latest/meta-data/", headers={"Metadata-Flavor": "Google"})
        reached.append((host, connection.getresponse().status))
    except OSError:
        pass
print(f"breached: {reached}" if reached else "blocked")
