# attack: becomes root by setuid calls, capabilities and set-uid programs
# verdict: completed
# prints: blocked
# timeout_ms: 30000
import ctypes
import os
import shutil
import stat
import subprocess

libc = ctypes.CDLL(None, use_errno=True)
done = []
for name, call in (("setuid", lambda: os.setuid(0)), ("setgid", lambda: os.setgid(0)), ("setresuid", lambda: os.setresuid(0, 0, 0)),
                   ("setresgid", lambda: os.setresgid(0, 0, 0)), ("setgroups", lambda: os.setgroups([0])), ("seteuid", lambda: os.seteuid(0)),
                   ("setreuid other", lambda: os.setreuid(1000, 1000)), ("chown", lambda: os.chown("/mnt/data", 0, 0))):
    try:
        call()
        done.append(name)
    except OSError:
        pass
libc.setfsuid(0)
if libc.setfsuid(-1) == 0:
    done.append("setfsuid")
set_uid = []
for folder in {os.path.realpath(each) for each in ("/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/lib", "/usr/local/bin", "/opt")}:
    for where, below, names in os.walk(folder):
        # Most files but no programs: an image test checks those.
        below[:] = [each for each in below if each != "dist-packages"]
        for name in names:
            path = os.path.join(where, name)
            try:
                if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID) and os.path.isfile(path):
                    set_uid.append(path)
            except OSError:
                pass
for path in set_uid:
    try:
        child = subprocess.Popen([path, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for line in open(f"/proc/{child.pid}/status"):
            if line.startswith(("Uid:", "Gid:")) and "0" in line.split()[1:]:
                done.append((path, line.strip()))
        child.kill()
        child.wait()
    except OSError:
        pass
for folder in ("/tmp", "/mnt/data", "/dev/shm"):
    shutil.copy("/usr/bin/id", f"{folder}/.id")
    os.chmod(f"{folder}/.id", 0o6755)
    try:
        answer = subprocess.run([f"{folder}/.id"], capture_output=True, text=True, check=False).stdout
    except OSError:
        continue
    if "uid=0" in answer or "gid=0" in answer:
        done.append(answer)
print(f"breached: {done}" if done else "blocked")
