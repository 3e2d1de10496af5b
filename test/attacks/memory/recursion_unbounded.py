# attack: recurses forever through C after lifting Python's recursion limit
# verdict: failed signal | failed exception | incomplete memory | incomplete timeout
# timeout_ms: 5000
# prints: before
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import sys

sys.setrecursionlimit(2**31 - 1)
print("before")


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return repr([self])


repr(Deep())
