# attack: stops its supervisor and then itself
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
# ends the sandbox: runsc (process 1 can be stopped)
import os
import signal

print("before")
for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
    try:
        os.kill(1, number)
    except PermissionError:
        # With the OCI engine the first process has another user.
        pass
os.kill(os.getpid(), signal.SIGSTOP)
print("breached: nothing stopped")
