# attack: sums an infinite generator, inside C
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
import itertools

print("before")
sum(itertools.repeat(0))
