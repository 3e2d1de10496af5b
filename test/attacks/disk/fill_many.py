# attack: fills the working folder with many files, each small enough to be kept
# verdict: incomplete disk
# timeout_ms: 15000
# prints: before
# files: *
print("before")
number = 0
while True:
    number += 1
    with open(f"filler-{number:04}", "wb") as file:
        file.write(bytes(1 << 20))
