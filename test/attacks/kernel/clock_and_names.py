# attack: changes the clock, the host's name and its domain
# verdict: completed
# prints: blocked
import ctypes
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
done = []
before = time.time()
for name, call in (("clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, 0)), ("sethostname", lambda: socket.sethostname("owned"))):
    try:
        call()
        done.append(name)
    except OSError:
        pass
if libc.settimeofday((ctypes.c_long * 2)(1, 0), None) == 0:
    done.append("settimeofday")
if libc.setdomainname(b"owned", 5) == 0:
    done.append("setdomainname")
offset = (ctypes.c_long * 40)(0x8001, 5)
if libc.adjtimex(offset) >= 0:
    done.append("adjtimex")
if abs(time.time() - before) > 60:
    done.append("time jumped")
print(f"breached: {done}" if done else "blocked")
