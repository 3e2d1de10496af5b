# attack: closes its result channel, then shows results
# verdict: completed
# prints: printed after
import os

os.close(3)
display({"text/html": "lost"}, raw=True)
print("printed after")
42
