# attack: reads the host's files and other sandboxes' folders by every known way
# verdict: completed
# prints: blocked
# never prints: root:$
import glob
import os

found = []
for pattern in ("/host/*", "/hostfs/*", "/rootfs/*", "/var/lib/docker/*", "/var/lib/containerd/*", "/run/docker*", "/run/containerd*",
                "/root/*", "/root/.*", "/home/*", "/run/secrets/*", "/var/run/secrets/*", "/boot/*", "/srv/*",
                "/proc/1/root/*", "/proc/1/cwd/*"):
    found += glob.glob(pattern)
for path in ("/etc/shadow", "/etc/gshadow"):
    try:
        open(path, "rb").close()
        found.append(path)
    except OSError:
        pass
for disk in glob.glob("/dev/[svx]d*") + glob.glob("/dev/nvme*") + glob.glob("/dev/dm-*") + glob.glob("/dev/loop*"):
    found.append(disk)
mounts = [line.split() for line in open("/proc/self/mountinfo")]
own = {"proc", "tmpfs", "devpts", "sysfs", "cgroup", "cgroup2", "mqueue", "overlay", "devtmpfs", "9p", "gofer", "none"}
for mount in mounts:
    kind = mount[mount.index("-") + 1]
    writable = "rw" in mount[5].split(",")
    if kind not in own and (writable or mount[4] not in ("/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")):
        found.append((kind, mount[4], mount[5]))
print(f"breached: {found}" if found else "blocked")
