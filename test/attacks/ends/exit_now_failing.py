# attack: leaves without cleaning up, with an exit code
# verdict: failed exit
# prints: before
import os

print("before", end="", flush=True)
os._exit(7)
