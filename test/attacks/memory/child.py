# attack: a child allocates the memory, not the parent
# verdict: incomplete memory
# prints: parent lives
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import os

child = os.fork()
if child == 0:
    block = b"x" * (4 << 30)
    os._exit(0)
os.waitpid(child, 0)
print("parent lives")
