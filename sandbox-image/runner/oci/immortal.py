"""Keeps what a zygote has loaded shared with its forks: a page that a fork writes to is copied, and counting references writes."""

from __future__ import annotations

import ctypes
import gc
import types

# What CPython takes for the count of an object that lives for ever: it is then neither counted up nor down.
_IMMORTAL = 0xFFFF_FFFF
_LEAVES = (int, float, complex, str, bytes)


def share_objects() -> None:
    """
    Makes every object immortal, so that using one does not write to it.

    Also those of our own modules: a fork ends without taking its interpreter apart, so none of them would ever be freed.
    """
    gc.collect()
    seen: set[int] = set()
    # Holds what was found, since the referents of some are made on request.
    found: list[object] = []
    left = gc.get_objects()
    while left:
        each = left.pop()
        # A frame is the state of a call that goes on.
        if id(each) in seen or each is found or each is seen or isinstance(each, types.FrameType):
            continue
        seen.add(id(each))
        found.append(each)
        if not isinstance(each, _LEAVES):
            left.extend(gc.get_referents(each))
    for each in found:
        if each is not left:
            ctypes.c_uint32.from_address(id(each)).value = _IMMORTAL
