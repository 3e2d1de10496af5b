# attack: exits without cleanup, with an exit code
# verdict: failed exit
# prints: before
import os

print("before", end="", flush=True)
os._exit(7)
