# attack: fills /dev/shm
# verdict: incomplete disk
# timeout_ms: 15000
# prints: before
print("before")
with open("/dev/shm/filler", "wb") as file:
    for _ in range(4096):
        file.write(bytes(1 << 20))
print("breached: it fitted")
