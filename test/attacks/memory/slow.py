# attack: allocates memory in small pieces and keeps all
# verdict: incomplete memory
# timeout_ms: 15000
# prints: before
# memory_mb: 384
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
print("before")
pieces = []
while True:
    pieces.append(bytes([len(pieces) % 251]) * 4_000_000)
