# attack: forks and runs programs through every way back to its origin: the interpreter's file, roots, working folders, mappings
# verdict: completed
# prints: blocked
# prints: sub False [] True 1
import glob
import os

found = []
mine = os.stat("/")
for door in ("/proc/self/root", "/proc/1/root", "/proc/self/cwd", "/proc/1/cwd", "/proc/self/task/self/root", "/proc/thread-self/root"):
    try:
        there = os.stat(f"{door}/..")
    except OSError:
        continue
    if (there.st_dev, there.st_ino) not in ((mine.st_dev, mine.st_ino), (os.stat("/mnt").st_dev, os.stat("/mnt").st_ino)):
        found.append(door)
for name in glob.glob("/proc/[0-9]*"):
    # Its own process, its children and the first process are the only ones.
    if int(name[6:]) not in (1, os.getpid()) and os.stat(name).st_uid not in (os.getuid(), 65533):
        found.append(name)
child = os.fork()
if child == 0:
    # A program started from the interpreter's own file, wherever it is, has the same restrictions.
    code = "import os; print('sub', os.path.exists('/run/docker.sock'), os.listdir('/home'), os.getuid() == os.stat('/mnt/data').st_uid, open('/proc/self/status').read().count('CapEff:\\t0000000000000000'))"
    os.execv("/proc/self/exe", ["python3", "-I", "-S", "-c", code])
os.waitpid(child, 0)
print(f"breached: {found}" if found else "blocked")
