# attack: reads the secrets of the service from its environment
# verdict: completed
# prints: blocked
import os

names = " ".join(os.environ).upper()
found = [word for word in ("REDIS", "DOCKER", "SECRET", "TOKEN", "PASSWORD", "AWS_", "KEYS_FILE", "DATA_DIR") if word in names]
for entry in os.listdir("/proc"):
    if entry.isdigit() and int(entry) != os.getpid():
        try:
            found.append((entry, open(f"/proc/{entry}/environ", "rb").read(4096)))
        except OSError:
            pass
processes = [entry for entry in os.listdir("/proc") if entry.isdigit()]
if len(processes) > 2:
    found.append(processes)
print(f"breached: {found}" if found else "blocked")
