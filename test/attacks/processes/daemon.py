# attack: leaves a grandchild in its own process session that holds stdout forever
# verdict: completed
# prints: parent has ended
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
os.wait()
print("parent has ended")
