# attack: starts threads until none is left
# verdict: incomplete processes
# prints: before
import threading

print("before")
gate = threading.Event()
while True:
    threading.Thread(target=gate.wait, daemon=True).start()
