# attack: stays inside C in a regular expression that backtracks
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import re

print("before")
re.match(r"(a+)+$", "a" * 64 + "b")
print("breached: it came back")
