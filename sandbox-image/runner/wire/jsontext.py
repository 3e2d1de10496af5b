"""JSON with the interpreter's own C scanner and encoder.

Importing the `json` package compiles regular expressions, which takes as long as starting the interpreter. Every sandbox
would pay for it, because each serves one run. For the same reason this package never imports `typing` at run time.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


# Counted in slices, because the pieces take more memory than the text.
_COUNTED_BYTES = 64 * 1024


class JsonError(ValueError):
    """The text is not JSON as RFC 8259 defines it."""


def parse_object(data: bytes) -> dict[str, Any]:
    """Parses a JSON object. Raises JsonError for anything else. Empty data is an empty object."""
    if not data:
        return {}
    try:
        text = data.decode("utf-8").strip(" \t\n\r")
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError) as error:
        raise JsonError("not JSON") from error
    if end != len(text) or not isinstance(value, dict):
        raise JsonError("not one JSON object")
    return value


def spell(value: Mapping[str, object]) -> bytes:
    """Returns the JSON text of `value` in ASCII. Raises ValueError for NaN and infinities, TypeError for other objects."""
    return spell_value(value)


def spell_value(value: object) -> bytes:
    """Like `spell`, for any JSON value."""
    return "".join(_encode(value, 0)).encode("ascii")


def count_values(text: bytes) -> int:
    """
    Counts the JSON values in `text`: scalars, lists and objects at every level. A name counts as one more, and an empty list or
    object as two. `src/util/json-shape.ts` counts the same way. Nothing is parsed: one megabyte may hold half a million lists.
    """
    count = 1
    if b'"' in text:
        # Remove escaped quotes. Then every other piece between quotes is the inside of a string.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    inside = 0
    for at in range(0, len(text), _COUNTED_BYTES):
        pieces = text[at : at + _COUNTED_BYTES].split(b'"')
        outside = b"".join(pieces[inside::2])
        count += sum(outside.count(mark) for mark in (b",", b":", b"[", b"{"))
        inside ^= (len(pieces) - 1) & 1
    return count


def _refuse_constant(name: str) -> Any:
    raise JsonError(f"{name} is not JSON")


def _refuse_value(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


class _Grammar:
    """The settings that the scanner reads: strict JSON, plain Python values."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)
    memo: dict[str, str] = {}  # noqa: RUF012


_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(_Grammar())  # type: ignore[arg-type]
# Cycles raise RecursionError. NaN is refused, because other JSON readers refuse it.
_encode: Callable[[object, int], tuple[str, ...]] = make_encoder(
    None, _refuse_value, encode_basestring_ascii, None, ":", ",", False, False, False
)
