# attack: exits without cleanup, with success
# verdict: completed
# prints: before
import os

print("before")
os._exit(0)
