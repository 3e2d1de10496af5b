# attack: answers every signal with more work
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import signal
import time


def work(number, frame):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass


print("before")
for number in range(1, 65):
    try:
        signal.signal(number, work)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
