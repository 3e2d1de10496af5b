# attack: takes memory piece by piece and keeps every piece
# verdict: incomplete memory
# prints: before
# memory_mb: 384
print("before")
pieces = []
while True:
    pieces.append(bytes([len(pieces) % 251]) * 4_000_000)
