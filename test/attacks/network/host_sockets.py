# attack: looks for the container engine's and other services' sockets, in files, abstract names and on loopback
# verdict: completed
# prints: blocked
# timeout_ms: 15000
import os
import socket

reached = []
paths = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private", "/run/dbus/system_bus_socket",
         "/var/run/crio/crio.sock", "/run/podman/podman.sock", "/run/redis/redis.sock"]
for folder, _, names in os.walk("/run"):
    paths += [os.path.join(folder, name) for name in names]
for path in paths:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            reached.append(path)
        except OSError:
            pass
for line in open("/proc/net/unix").readlines()[1:]:
    fields = line.split()
    if len(fields) > 7 and fields[7].startswith("@"):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect("\0" + fields[7][1:])
                reached.append(fields[7])
            except OSError:
                pass
for port in [*range(1, 1024), 2375, 2376, 3000, 5432, 6379, 8080, 9090, 9323, 10250]:
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", port)) == 0:
            reached.append(port)
print(f"breached: {reached}" if reached else "blocked")
