# attack: removes all modules that the runner uses, including the main module
# verdict: completed | failed exception | failed exit
# prints: before
import sys

print("before")
for name in list(sys.modules):
    if name not in ("sys", "builtins"):
        sys.modules[name] = None
sys.meta_path.clear()
sys.path[:] = ["/mnt/data"]
"a last value"
