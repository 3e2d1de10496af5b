# attack: floods stderr, line by line, from many threads
# verdict: incomplete output | incomplete timeout
# timeout_ms: 5000
import sys
import threading


def flood():
    while True:
        sys.stderr.write("y" * 10_000 + "\n")


for _ in range(8):
    threading.Thread(target=flood).start()
