# attack: becomes the subreaper of its orphans, so that the supervisor never gets them
# verdict: completed
# prints: parent has ended
import ctypes
import os
import time

libc = ctypes.CDLL(None)
if os.fork() == 0:
    os.setsid()
    libc.prctl(36, 1, 0, 0, 0)
    for _ in range(10):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(0)
    time.sleep(1000)
time.sleep(0.2)
print("parent has ended")
