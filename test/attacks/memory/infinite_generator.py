# attack: makes a list of a generator without end
# verdict: incomplete memory
# prints: before
# timeout_ms: 20000
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
import itertools

print("before")
list(itertools.repeat(0))
