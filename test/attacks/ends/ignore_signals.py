# attack: ignores every signal it can and works on
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import signal

print("before")
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
