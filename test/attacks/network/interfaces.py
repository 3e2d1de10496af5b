# attack: looks for any interface, route or neighbour besides loopback
# verdict: completed
# prints: blocked
import os
import socket

found = [name for name in os.listdir("/sys/class/net") if name != "lo"] if os.path.exists("/sys/class/net") else []
try:
    found += [name for _, name in socket.if_nameindex() if name != "lo"]
except OSError:
    pass
found += [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:] if line.split(":")[0].strip() != "lo"]
try:
    found += [line for line in open("/proc/net/route").readlines()[1:] if line.strip() and not line.startswith("lo")]
    found += open("/proc/net/arp").readlines()[1:]
except OSError:
    pass
print(f"breached: {found}" if found else "blocked")
