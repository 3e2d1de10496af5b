# attack: takes memory piece by piece and keeps every piece
# verdict: incomplete memory
# timeout_ms: 15000
# prints: before
# memory_mb: 384
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
print("before")
pieces = []
while True:
    pieces.append(bytes([len(pieces) % 251]) * 4_000_000)
