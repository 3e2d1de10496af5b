# attack: raises its own limits and lowers its supervisor's
# verdict: completed
# prints: blocked
# runtime: runc (gVisor lets a process lower its supervisor's limits, which ends only its own run)
import resource

done = []
for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_MEMLOCK", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_MSGQUEUE"):
    number = getattr(resource, name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        continue
    for wanted in (hard + 1, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(number, (soft, wanted))
            done.append(name)
        except (OSError, ValueError):
            pass
for name in ("RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE"):
    try:
        resource.prlimit(1, getattr(resource, name), (0, 0))
        done.append((1, name))
    except OSError:
        pass
if resource.getrlimit(resource.RLIMIT_CORE)[1] > 1:
    done.append("core files are possible")
print(f"breached: {done}" if done else "blocked")
