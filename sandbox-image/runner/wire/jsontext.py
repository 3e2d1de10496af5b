"""JSON text to and from values, on the interpreter's own C scanner and encoder.

The `json` package compiles regular expressions when it is imported, which costs as much as the interpreter's
whole start; a sandbox lives for one run, so every start would pay it. For the same reason nothing in this
package imports `typing` while it runs.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


# At a time, as the pieces take more memory than the text.
_COUNTED_BYTES = 64 * 1024


class JsonError(ValueError):
    """The text is not what RFC 8259 calls JSON."""


def parse_object(data: bytes) -> dict[str, Any]:
    """Returns the object that `data` spells; raises JsonError for anything else. Nothing at all is an empty object."""
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
    return "".join(_encode(value, 0)).encode("ascii")


def count_values(text: bytes) -> int:
    """
    Returns how many values `text` holds: scalars, lists and objects, nested ones too, a name as one more, an empty list or object as two.
    Its twin is `src/json-shape.ts`. Nothing is built of them, as a megabyte is one string, or half a million lists.
    """
    count = 1
    if b'"' in text:
        # Quotes within strings go, so that every other piece between quotes is a string's inside.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    inside = 0
    for at in range(0, len(text), _COUNTED_BYTES):
        pieces = text[at : at + _COUNTED_BYTES].split(b'"')
        outside = b"".join(pieces[inside::2])
        count += sum(outside.count(mark) for mark in (b",", b":", b"[", b"{"))
        inside ^= (len(pieces) - 1) & 1
    return count


def _refuse_constant(name: str) -> Any:
    raise JsonError(f"{name} is no JSON")


def _refuse_value(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is no JSON value")


class _Grammar:
    """What the scanner asks of its maker: the strict language, plain Python values."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)
    memo: dict[str, str] = {}  # noqa: RUF012


_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(_Grammar())  # type: ignore[arg-type]
# Cycles end in RecursionError; NaN is refused, because other readers of JSON refuse it.
_encode: Callable[[object, int], tuple[str, ...]] = make_encoder(
    None, _refuse_value, encode_basestring_ascii, None, ":", ",", False, False, False
)
