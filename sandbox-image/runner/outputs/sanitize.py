"""Turns values of user code into exact strings and JSON scalars of limited size.

Input may lie about its type, raise or be huge. Output is always valid on the wire: no lone surrogates, no NaN, no subclasses.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Scalar = str | int | float | bool | None

CUT = "…"
# A metaclass may fake these attributes. The descriptors of `type` read the real ones.
_NAME: Any = type.__dict__["__name__"]
_MODULE: Any = type.__dict__["__module__"]
# Most JSON readers cannot represent larger integers exactly.
SAFE_INTEGER_MAX = 2**53 - 1


def text(value: str, bytes_max: int) -> str:
    """Returns `value` as an exact str of at most `bytes_max` bytes of UTF-8, plus a mark if it was cut."""
    value = str.__str__(value)
    cut = len(value) > bytes_max
    if cut:
        value = value[:bytes_max]
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        data = value.encode("utf-8")
    if len(data) > bytes_max:
        return data[:bytes_max].decode("utf-8", "ignore") + CUT
    return value + CUT if cut else value


def type_name(value: object) -> str:
    """Returns the unqualified name of the value's class, bypassing its metaclass."""
    return str.__str__(_NAME.__get__(type(value)))


def is_builtin(value: object) -> bool:
    """Returns whether the value's class is built in. Such classes have no rich forms."""
    module = _MODULE.__get__(type(value))
    return type(module) is str and module == "builtins"


def guarded_text(make: Callable[[], str], of: object, what: str, bytes_max: int) -> str:
    """Returns `make()`, limited in size, or a line that says why it failed."""
    try:
        return text(make(), bytes_max)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"<{type_name(of)} object; its {what} failed with {type_name(error)}>"


def scalar(value: Any, bytes_max: int) -> Scalar:
    """Returns the JSON scalar for one table cell or chart point."""
    kind = type(value)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is str:
        return text(value, bytes_max)
    if kind is int:
        return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else described(value, bytes_max)
    if kind is float:
        # NaN and infinities give NaN here.
        return value if value - value == 0 else None
    return _other_scalar(value, bytes_max)


def _other_scalar(value: Any, bytes_max: int) -> Scalar:
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NaT or value is pandas.NA):
        return None
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        if isinstance(value, numpy.datetime64):
            return None if numpy.isnat(value) else str(value)
        item = value.item()
        if type(item) is not type(value):
            return scalar(item, bytes_max)
    datetime = sys.modules.get("datetime")
    if datetime is not None and isinstance(value, (datetime.date, datetime.time)):
        return guarded_text(value.isoformat, value, "isoformat", bytes_max)
    return described(value, bytes_max)


def described(value: object, bytes_max: int) -> str:
    """Returns the text of a value that is no JSON scalar: the repr of a built-in container, otherwise str()."""
    if type(value) in (list, tuple, dict, set, frozenset, bytes, bytearray):
        return bounded_repr(value, bytes_max)
    return guarded_text(lambda: str(value), value, "str", bytes_max)


def bounded_repr(value: object, bytes_max: int) -> str:
    """Returns repr(value), but stops soon after `bytes_max` instead of building a huge string."""
    pieces: list[str] = []

    def write() -> str:
        _write_repr(value, pieces, [bytes_max], set())
        return "".join(pieces)

    return guarded_text(write, value, "repr", bytes_max)


_BRACKETS: dict[type, str | tuple[str, str]] = {list: "[]", tuple: "()", set: "{}", frozenset: ("frozenset({", "})"), dict: "{}"}


def _write_repr(value: Any, pieces: list[str], room: list[int], open_ids: set[int]) -> None:
    kind = type(value)
    brackets = _BRACKETS.get(kind)
    if brackets is None or not value or len(open_ids) > 50:
        piece = _leaf_repr(value, room[0])
        pieces.append(piece)
        room[0] -= len(piece)
        return
    if id(value) in open_ids:
        pieces.append("[...]" if kind is list else "{...}" if kind is dict else "(...)")
        return
    open_ids.add(id(value))
    pieces.append(brackets[0])
    for number, item in enumerate(value):
        if room[0] <= 0:
            pieces.append(CUT)
            break
        if number > 0:
            pieces.append(", ")
        room[0] -= 2
        _write_repr(item, pieces, room, open_ids)
        if kind is dict:
            pieces.append(": ")
            _write_repr(value[item], pieces, room, open_ids)
    else:
        if kind is tuple and len(value) == 1:
            pieces.append(",")
    pieces.append(brackets[1])
    open_ids.discard(id(value))


def _leaf_repr(value: Any, room: int) -> str:
    kind = type(value)
    if kind in (str, bytes, bytearray) and len(value) > room + 1:
        return repr(value[: max(room, 0) + 1])[:-1] + CUT
    if kind is int:
        try:
            return repr(value)
        except ValueError:
            # Python refuses to convert integers with thousands of digits.
            return hex(value) if value.bit_length() < room * 4 else f"<int of {value.bit_length()} bits>"
    return guarded_text(lambda: repr(value), value, "repr", max(room, 0) + 1)
