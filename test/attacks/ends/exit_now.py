# attack: leaves without cleaning up, with success
# verdict: completed
# prints: before
import os

print("before")
os._exit(0)
