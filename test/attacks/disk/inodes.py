# attack: creates empty files until the folder is full
# verdict: incomplete disk
# prints: before
# files: *
# timeout_ms: 15000
# runtime: runc (gVisor's folders count bytes, not files; memory bounds them)
print("before")
number = 0
while True:
    number += 1
    open(f"empty-{number}", "w").close()
