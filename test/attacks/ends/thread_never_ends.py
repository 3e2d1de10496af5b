# attack: an ordinary thread never ends
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import threading

print("before")
threading.Thread(target=threading.Event().wait).start()
