# attack: prints a gigabyte
# verdict: incomplete output
# timeout_ms: 20000
import os

block = b"x" * (1 << 20)
for _ in range(1024):
    os.write(1, block)
os.write(2, b"breached: all was taken")
