# attack: starts threads until no more can start
# verdict: incomplete processes
# prints: before
# runtime: runc (gVisor's threads are not the host's; memory and time bound them)
import threading

print("before")
gate = threading.Event()
while True:
    threading.Thread(target=gate.wait, daemon=True).start()
