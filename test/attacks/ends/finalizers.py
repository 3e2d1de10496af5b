# attack: hides work and crashes in finalizers, weak references and the excepthook
# verdict: failed exception
# prints: before
import gc
import sys
import weakref


class Trap:
    def __del__(self):
        raise KeyboardInterrupt


def hook(*_):
    raise SystemExit(0)


sys.excepthook = hook
sys.unraisablehook = hook
traps = [Trap() for _ in range(100)]
traps.append(traps)
references = [weakref.ref(trap, lambda _: 1 / 0) for trap in traps[:100]]
gc.set_threshold(1)
gc.callbacks.append(lambda *_: 1 / 0)
print("before")
raise RuntimeError("the end")
