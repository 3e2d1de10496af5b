# attack: fills every writable folder together with the heap
# verdict: incomplete memory | incomplete disk
# prints: before
# files: *
# memory_mb: 320
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
print("before")
for path in ("/tmp/filler", "/dev/shm/filler", "/mnt/data/filler"):
    try:
        with open(path, "wb") as file:
            for _ in range(1024):
                file.write(bytes(1 << 20))
    except OSError:
        pass
heap = b"x" * (256 << 20)
print("breached: it fitted")
