# The execution after an attack. Prints 42 when it finds no trace of the attack, and the traces otherwise.
import os
import socket

found = []
processes = [entry for entry in os.listdir("/proc") if entry.isdigit()]
if sorted(processes) != sorted(["1", str(os.getpid())]):
    found.append(("processes", processes))
fonts = "/tmp/.matplotlib"


def is_untouched(path):
    """Matplotlib's own folder, which the service makes anew out of links into the image."""
    return path == fonts and all(os.path.realpath(f"{fonts}/{name}").startswith("/opt/matplotlib/") for name in os.listdir(fonts))


for folder in ("/mnt/data", "/tmp", "/dev/shm", "/dev/mqueue"):
    left = [name for name in os.listdir(folder) if not is_untouched(f"{folder}/{name}")] if os.path.isdir(folder) else []
    if left:
        found.append((folder, left[:10]))
for kind in ("shm", "msg", "sem"):
    try:
        entries = open(f"/proc/sysvipc/{kind}").readlines()[1:]
    except FileNotFoundError:
        continue
    if entries:
        found.append((kind, entries))
for line in open("/proc/net/unix").readlines()[1:]:
    if "@" in line:
        found.append(line)
if socket.gethostname() != "sandbox":
    found.append(socket.gethostname())
opened = {os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in range(4, 256) if os.path.lexists(f"/proc/self/fd/{descriptor}")}
if opened - {"/dev/null"}:
    found.append("descriptors beyond its own")
if os.getcwd() != "/mnt/data" or not 0 <= os.getpriority(os.PRIO_PROCESS, 0) < 19:
    found.append((os.getcwd(), os.getpriority(os.PRIO_PROCESS, 0)))
if "planted" in os.environ or __import__("sys").modules.get("sitecustomize"):
    found.append("planted module")
with open("/mnt/data/writable.txt", "w") as file:
    file.write("yes")
os.unlink("/mnt/data/writable.txt")
print(found or 42)
