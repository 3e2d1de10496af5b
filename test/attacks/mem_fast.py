# attack: takes all memory at once
# verdict: incomplete memory
# prints: before
print("before")
block = b"x" * (4 << 30)
print("breached: it fitted")
