# attack: makes a list of an infinite generator
# verdict: incomplete memory
# prints: before
# timeout_ms: 20000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import itertools

print("before")
list(itertools.repeat(0))
