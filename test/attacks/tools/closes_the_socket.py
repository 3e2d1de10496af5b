# attack: closes the tools socket and calls
# verdict: completed
# prints: done
# calls: none
import os

os.close(4)
try:
    echo(x=1)
except ToolError as error:
    print("done", error)
