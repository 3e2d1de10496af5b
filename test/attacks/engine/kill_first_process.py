# attack: kills, stops or resumes the container's first process, and checks whether anything survives its end
# verdict: completed
# prints: blocked
# ends the sandbox: runsc (gVisor's kernel delivers signals to process 1, which ends the sender's run)
import os
import signal

found = []
for number in range(1, 65):
    if number in (32, 33):
        continue
    try:
        os.kill(1, number)
        found.append(number)
    except PermissionError:
        pass
    except OSError as error:
        found.append((number, error.errno))
try:
    signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)
    found.append("pidfd")
except OSError:
    pass
# With the Docker engine the first process has our own user: signals reach it and do nothing.
print("blocked" if open("/proc/1/stat").read().split()[2] in "SR" else f"breached: {found}")
