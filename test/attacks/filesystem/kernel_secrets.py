# attack: reads kernel information about itself and others: kcore, kmsg, keys, timers, firmware, addresses
# verdict: completed
# prints: blocked
import os

leaked = []
for path in ("/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats",
             "/proc/timer_stats", "/proc/scsi/scsi", "/sys/firmware/dmi/tables/DMI", "/sys/kernel/debug/sched/features", "/sys/kernel/security/lsm",
             "/proc/1/stack", "/proc/1/syscall", "/proc/1/wchan", "/dev/mem", "/dev/port", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/pagetypeinfo"):
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if os.read(file, 64).strip(b"\0 \n") not in (b"", b"0"):
            leaked.append(path)
        os.close(file)
    except OSError:
        pass
try:
    addresses = {line.split()[0].strip("0") for line in open("/proc/kallsyms")}
    if addresses - {""}:
        leaked.append("/proc/kallsyms")
except OSError:
    pass
print(f"breached: {leaked}" if leaked else "blocked")
