# attack: prints to stdout and stderr alternately, so that the result becomes a list of millions of texts
# verdict: completed | incomplete timeout
# timeout_ms: 5000
import os

for _ in range(200_000):
    os.write(1, b"x")
    os.write(2, b"y")
