# attack: searches its memory for data of the process it was forked from: paths, sockets, other programs' text
# verdict: completed
# prints: searched
# prints: blocked
import re

# Written so that the search does not find this program.
words = re.compile(rb"keeper[.]sock|OCI[_]STATE_DIR|REDIS[_]URL|SANDBOX[_]ROOTFS|docker[.]sock|ci_sk[_][0-9a-z]{8}|cgroup[.]procs\x00")
found = set()
searched = 0
with open("/proc/self/mem", "rb", 0) as memory:
    for line in open("/proc/self/maps"):
        span, mode, *_, = line.split()
        if "r" not in mode or "w" not in mode:
            continue
        start, end = (int(place, 16) for place in span.split("-"))
        try:
            memory.seek(start)
            data = memory.read(end - start)
        except (OSError, ValueError, OverflowError):
            continue
        searched += len(data)
        found.update(words.findall(data))
        del data
print("searched" if searched > 1_000_000 else "nothing searched")
print(f"breached: {found}" if found else "blocked")
