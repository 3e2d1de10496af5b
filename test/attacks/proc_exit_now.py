# attack: leaves without cleaning up, with exit code 0
# verdict: completed
# prints: before
import os

print("before")
os._exit(0)
