# attack: writes everywhere outside its own folders
# verdict: completed
# prints: blocked
import os

own = ("/mnt/data", "/tmp", "/dev/shm", "/dev/mqueue", "/proc", "/sys")
written = []
for folder, folders, names in os.walk("/", topdown=True):
    folders[:] = [name for name in folders if not os.path.join(folder, name).startswith(own)]
    if folder.count("/") > 3:
        folders[:] = []
    try:
        with open(os.path.join(folder, "planted"), "w") as file:
            file.write("x")
        written.append(folder)
    except OSError:
        pass
for path in ("/etc/passwd", "/etc/ld.so.preload", "/opt/runner/__init__.py", "/usr/bin/python3", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
    try:
        with open(path, "a") as file:
            file.write("x")
        written.append(path)
    except OSError:
        pass
print(f"breached: {written}" if written else "blocked")
