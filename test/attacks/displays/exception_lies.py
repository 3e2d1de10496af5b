# attack: raises circular exception chains, with messages that raise and millions of lines
# verdict: failed exception
# prints: before
print("before")


class Liar(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__

    @property
    def __class__(self):
        return SystemExit


first, second = Liar(), Liar("line\n" * 10**6)
first.__cause__, second.__cause__ = second, first
first.__context__, second.__context__ = second, first
for _ in range(1000):
    outer = RuntimeError("outer")
    outer.__cause__ = second
    second = outer
try:
    first.add_note("note\n" * 10**5)
    first.__notes__ = 7
except Exception:
    pass
raise ExceptionGroup("group", [first, ValueError("x" * 10**7)])
