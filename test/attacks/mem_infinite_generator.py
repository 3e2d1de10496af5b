# attack: makes a list of a generator without end
# verdict: incomplete memory
# prints: before
# timeout_ms: 20000
import itertools

print("before")
list(itertools.repeat(0))
