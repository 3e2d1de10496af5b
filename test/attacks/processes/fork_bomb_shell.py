# attack: the classic fork bomb, in a shell, detached from its parent
# verdict: completed | incomplete processes | incomplete timeout
# timeout_ms: 5000
# prints: parent has ended
import os
import subprocess

subprocess.Popen(["/bin/sh", "-c", "bomb() { bomb | bomb & }; bomb"], start_new_session=True, stderr=subprocess.DEVNULL)
print("parent has ended")
os._exit(0)
