# attack: replaces and closes Python's streams before its end
# verdict: completed
# prints: before
import sys


class Broken:
    def __getattr__(self, name):
        raise SystemExit(0)


print("before")
sys.stdin = sys.stderr = Broken()
sys.stdout = None
sys.__stdout__ = sys.__stderr__ = Broken()
"a last value"
