# attack: replaces every hook and builtin that the service may use to show results, then fails
# verdict: failed exception | failed exit
# prints: before
import builtins
import linecache
import sys
import traceback

print("before")
stop = print


def broken(*_, **__):
    raise SystemExit(0)


sys.displayhook = sys.excepthook = sys.unraisablehook = broken
traceback.format_exception = traceback.format_tb = traceback.TracebackException = linecache.getlines = broken
for name in ("repr", "len", "isinstance", "str", "getattr", "print", "open", "hasattr", "type", "int", "display"):
    setattr(builtins, name, broken)
builtins.__import__ = broken
raise RuntimeError("the end")
