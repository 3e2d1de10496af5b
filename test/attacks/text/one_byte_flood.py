# attack: prints one byte at a time, forever
# verdict: incomplete timeout | incomplete output
# timeout_ms: 3000
import os

while True:
    os.write(1, b"x")
