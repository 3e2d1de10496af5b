# attack: escapes its account's process limit in a user namespace, and forks there
# verdict: completed | incomplete memory | incomplete processes | incomplete timeout
# prints: begun
# ends the sandbox: runsc (gVisor's kernel lets the owner of a namespace exceed its limits; the host's limits then end it)
# timeout_ms: 8000
import os
import time

print("begun", flush=True)
try:
    os.unshare(os.CLONE_NEWUSER)
    inside = True
except OSError:
    inside = False
forked = 0
try:
    while forked < 1_000:
        if os.fork() == 0:
            os._exit(time.sleep(60))
        forked += 1
except OSError:
    pass
print("forked past the limit inside" if inside and forked > 64 else "breached: more than the limit" if forked > 64 else "refused")
