# attack: patches the runner's modules in its process to report success
# verdict: failed exception | failed exit
# prints: before
import os
import sys

print("before")
for name, module in list(sys.modules.items()):
    if name.startswith("runner"):
        for key, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type):
                try:
                    setattr(module, key, lambda *_, **__: 0)
                except Exception:
                    pass
os._exit(9)
