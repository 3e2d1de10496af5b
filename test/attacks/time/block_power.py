# attack: stays inside C in one multiplication
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
print("before", end="")
number = pow(7, 10**9)
print("breached: it came back")
