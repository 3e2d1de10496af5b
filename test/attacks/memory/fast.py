# attack: allocates all memory at once
# verdict: incomplete memory
# timeout_ms: 15000
# prints: before
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
print("before")
block = b"x" * (4 << 30)
print("breached: it fitted")
