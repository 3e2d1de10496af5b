# attack: looks for what a forked interpreter may inherit: file descriptors, working folder, environment, arguments
# verdict: completed
# prints: blocked
import gc
import os
import sys

found = []
for name in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        continue
    if int(name) > 4 and not target.startswith("/proc/"):
        found.append((name, target))
    if target.startswith(("anon_inode:", "/memfd")) or "pidfd" in target or "cgroup" in target:
        found.append((name, target))
if any("KEEPER" in name or "SOCKET" in name or "REDIS" in name or "KEY" in name for name in os.environ):
    found.append(dict(os.environ))
words = open("/proc/self/cmdline", "rb").read() + open("/proc/self/environ", "rb").read()
for secret in (b"redis", b"keeper.sock", b"/root/", b"/home/", b"/srv/"):
    if secret in words:
        found.append(secret)
for path in ("/proc/self/root/../../root/.bashrc", "/proc/self/cwd/../../../../var/lib/docker", "/proc/self/exe/../../../root"):
    if os.path.exists(path):
        found.append(path)
# The interpreter's files may be the host's: none may open for writing, by any path.
for door in ("/proc/self/exe", *(f"/proc/self/map_files/{name}" for name in (os.listdir("/proc/self/map_files") if os.access("/proc/self/map_files", os.R_OK) else []))):
    try:
        os.close(os.open(door, os.O_WRONLY))
        found.append(door)
    except OSError:
        pass
for thing in gc.get_objects():
    if type(thing).__module__ in ("socket", "_socket") and hasattr(thing, "fileno") and thing.fileno() >= 0:
        found.append(repr(thing))
print(f"breached: {found}" if found else "blocked")
