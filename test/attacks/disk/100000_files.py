# attack: leaves a hundred thousand files
# verdict: completed
# prints: made
# files: *
# timeout_ms: 20000
import os

made = 0
for number in range(100_000):
    try:
        os.close(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY))
        made += 1
    except OSError:
        break
print(f"made {made}")
