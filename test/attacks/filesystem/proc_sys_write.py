# attack: writes kernel settings: core_pattern, sysrq, cgroup files, its own limits
# verdict: completed
# prints: blocked
import glob
import os

paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
         "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
         "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/class/leds/x/brightness", "/proc/1/oom_score_adj", "/proc/1/attr/current",
         "/proc/1/uid_map", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/projid_map", "/proc/1/clear_refs", "/proc/1/sched", "/proc/1/comm",
         "/proc/1/coredump_filter", "/proc/1/timerslack_ns", "/proc/1/autogroup"]
for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/*"):
    for name in ("release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us",
                 "cpu.max", "devices.allow", "cgroup.subtree_control", "memory.oom_control", "cpuset.cpus"):
        paths += glob.glob(f"{folder}/{name}")
written = []
for path in paths:
    try:
        file = os.open(path, os.O_WRONLY)
    except OSError:
        continue
    try:
        os.write(file, b"1\n")
        written.append(path)
    except OSError:
        pass
    finally:
        os.close(file)
for folder in glob.glob("/sys/fs/cgroup") + glob.glob("/sys/fs/cgroup/*"):
    try:
        os.mkdir(folder + "/mine")
        written.append(folder)
    except OSError:
        pass
print(f"breached: {written}" if written else "blocked")
