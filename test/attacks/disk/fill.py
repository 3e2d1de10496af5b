# attack: fills the working folder
# verdict: incomplete disk
# timeout_ms: 15000
# prints: before
# files: []
print("before")
with open("filler", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
