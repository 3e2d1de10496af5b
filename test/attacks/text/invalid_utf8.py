# attack: prints every byte value, cut at every position
# verdict: completed
# prints: blocked
import os

for size in range(1, 9):
    for start in range(256):
        os.write(1, bytes((start + step) % 256 for step in range(size)))
os.write(1, b"\xf0\x9f\x98")
os.write(1, b"\nblocked\n\xe2\x82")
