# attack: computes while a call is open, to stop the clock of the time limit
# verdict: incomplete timeout
# prints: done
# timeout_ms: 2000
# calls: at most 1
import threading

threading.Thread(target=silent, daemon=True).start()
print("done", flush=True)
while True:
    pass
