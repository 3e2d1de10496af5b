# attack: recurses for ever after lifting Python's own bound, through C
# verdict: failed signal | failed exception | incomplete memory | incomplete timeout
# timeout_ms: 5000
# prints: before
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
import sys

sys.setrecursionlimit(2**31 - 1)
print("before")


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return repr([self])


repr(Deep())
