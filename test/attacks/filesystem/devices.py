# attack: makes device nodes and opens the host's devices
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's own kernel has its own devices; the host's are not among them)
import os
import stat

allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr", "core", "console", "net"}
found = [name for name in os.listdir("/dev") if name not in allowed]
for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFCHR, 1, 3), (stat.S_IFCHR, 10, 200), (stat.S_IFCHR, 10, 229), (stat.S_IFCHR, 10, 232), (stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 259, 0), (stat.S_IFBLK, 7, 0)):
    for folder in ("/tmp", "/mnt/data", "/dev/shm"):
        try:
            os.mknod(f"{folder}/device", kind | 0o666, os.makedev(major, minor))
            found.append((folder, major, minor))
        except OSError:
            pass
for path in ("/dev/mem", "/dev/kmem", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/loop0", "/dev/sda", "/dev/vda", "/dev/vsock", "/dev/vhost-vsock", "/dev/userfaultfd", "/dev/console"):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        found.append(path)
    except OSError:
        pass
print(f"breached: {found}" if found else "blocked")
