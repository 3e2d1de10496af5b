# attack: takes the processor from others: real time, higher priority, locked memory, real-time i/o
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel keeps these values inside the sandbox)
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
done = []
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(50))
        done.append(policy)
    except OSError:
        pass
before = os.getpriority(os.PRIO_PROCESS, 0)
try:
    os.setpriority(os.PRIO_PROCESS, 0, -20)
except OSError:
    pass
if os.getpriority(os.PRIO_PROCESS, 0) < before or os.getpriority(os.PRIO_PROCESS, 0) < 0:
    done.append("priority")
try:
    os.setpriority(os.PRIO_PROCESS, 1, 19)
    done.append("slowed its supervisor")
except OSError:
    pass
if libc.syscall(251, 1, 0, (1 << 13) | 0) != -1:
    done.append("i/o priority")
if libc.mlockall(3) == 0 and any(line.startswith("VmLck") and int(line.split()[1]) > 65536 for line in open("/proc/self/status")):
    done.append("mlockall")
print(f"breached: {done}" if done else "blocked")
