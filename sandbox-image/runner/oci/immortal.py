"""Keeps a zygote's memory shared with its forks. Reference counting writes to an object, and a page that is written to is copied."""

from __future__ import annotations

import ctypes
import gc
import types

# CPython does not count references of an object whose count has this value.
_IMMORTAL = 0xFFFF_FFFF
_LEAVES = (int, float, complex, str, bytes)


def share_objects() -> None:
    """
    Makes every object immortal, so that using one does not write to it.

    The objects of our own modules too: a fork does not finalize its interpreter, so they would never be freed.
    """
    gc.collect()
    seen: set[int] = set()
    # Keeps the objects found alive, because some are made on request by their referrer.
    found: list[object] = []
    left = gc.get_objects()
    while left:
        each = left.pop()
        # A frame belongs to a call in progress.
        if id(each) in seen or each is found or each is seen or isinstance(each, types.FrameType):
            continue
        seen.add(id(each))
        found.append(each)
        if not isinstance(each, _LEAVES):
            left.extend(gc.get_referents(each))
    for each in found:
        if each is not left:
            ctypes.c_uint32.from_address(id(each)).value = _IMMORTAL
