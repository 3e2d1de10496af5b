# attack: fills the working folder
# verdict: incomplete disk
# prints: before
# files: []
print("before")
with open("filler", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
