# attack: floods stderr, line by line, from many threads
# verdict: incomplete output | incomplete timeout
# timeout_ms: 5000
# ends the sandbox: runsc (its kernel may give up under many threads that write at once, and ends the sandbox)
import sys
import threading


def flood():
    while True:
        sys.stderr.write("y" * 10_000 + "\n")


for _ in range(8):
    threading.Thread(target=flood).start()
