# attack: a child takes the memory, its parent looks innocent
# verdict: incomplete memory
# prints: parent lives
# timeout_ms: 15000
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
import os

child = os.fork()
if child == 0:
    block = b"x" * (4 << 30)
    os._exit(0)
os.waitpid(child, 0)
print("parent lives")
