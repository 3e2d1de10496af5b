# attack: reads the answers of its parent's calls in a fork
# verdict: completed | incomplete timeout
# timeout_ms: 3000
# calls: at most 1
import os

pid = os.fork()
if pid == 0:
    while os.read(4, 100):
        pass
    os._exit(0)
try:
    print("done", echo(x=1))
except ToolError:
    print("done")
os.kill(pid, 9)
