# attack: hides an endless loop in an exit handler
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import atexit


def linger():
    while True:
        pass


atexit.register(linger)
print("before")
