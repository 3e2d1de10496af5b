# attack: calls from a forked process
# verdict: completed
# prints: done 3
# calls: none
import os

pid = os.fork()
if pid == 0:
    try:
        echo(x=1)
    except ToolError:
        os._exit(3)
    os._exit(4)
print("done", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
