# attack: sleeps inside C with all signals blocked
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import ctypes
import signal

print("before")
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
ctypes.CDLL(None).sleep(1000)
print("breached: it came back")
