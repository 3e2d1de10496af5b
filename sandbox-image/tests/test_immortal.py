"""Using a zygote's objects does not write to them. Objects made by a fork are counted and freed as usual."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, json, sys, weakref
from runner.oci.immortal import share_objects

class Thing:
    pass

share_objects()
shared = (json.dumps, Thing, "a text that is only here", sys.modules["json"].__dict__)
before = [sys.getrefcount(each) for each in shared]
held = [shared] * 10 + [each for each in shared for _ in range(10)]
assert [sys.getrefcount(each) for each in shared] == before, before

thing = Thing()
gone = weakref.ref(thing)
assert sys.getrefcount(thing) == 2
del thing
assert gone() is None

ring = Thing()
ring.itself = ring
gone = weakref.ref(ring)
del ring
gc.unfreeze()
gc.collect()
assert gone() is None
assert json.loads(json.dumps({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}
print("well")
"""


def test_shared_objects_are_not_counted_and_new_ones_are() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert (done.stdout, done.stderr) == ("well\n", "")
