"""JSON forms of values: `strict` converts every value; `exact` refuses values that JSON would change."""

from __future__ import annotations

from runner.outputs import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEPTH_MAX = 100


def strict(value: Any, bytes_max: int, values_max: int) -> Any:
    """
    Returns `value` as strict JSON: string keys, no NaN, exact types.

    Raises ValueError if it needs more than about `bytes_max` bytes, has more than `values_max` values, or nests deeper than 100.
    """
    return _strict(value, [bytes_max, values_max], _DEPTH_MAX)


def _strict(value: Any, room: list[int], depth: int) -> Any:
    _take(room, 0, depth)
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for key, item in dict.items(value):
            name = sanitize.text(key, room[0]) if isinstance(key, str) else sanitize.described(key, room[0])
            room[0] -= len(name) + 6
            room[1] -= 1
            made[name] = _strict(item, room, depth - 1)
        return made
    if isinstance(value, (list, tuple)):
        items: list[Any] = []
        for item in value:
            room[0] -= 2
            items.append(_strict(item, room, depth - 1))
        return items
    if isinstance(value, str):
        if len(value) > room[0]:
            raise ValueError("the JSON value is too large")
        made_text = sanitize.text(value, room[0])
        room[0] -= len(made_text)
        return made_text
    room[0] -= 8
    return sanitize.scalar(value, 4096)


def exact(value: Any, bytes_max: int, values_max: int) -> Any:
    """
    Returns a copy of `value`, a tree of exact dict, list, str, int, float, bool and None that reads back from JSON unchanged.

    Raises ValueError for any other tree: with NaN, a large integer, a key that is not a string, or over a bound as in `strict`.
    """
    return _exact(value, [bytes_max, values_max], _DEPTH_MAX)


def _exact(value: Any, room: list[int], depth: int) -> Any:
    kind = type(value)
    if kind is dict:
        _take(room, 2, depth)
        return {_exact_text(key, room): _exact(item, room, depth - 1) for key, item in value.items()}
    if kind is list:
        _take(room, 2, depth)
        return [_exact(item, room, depth - 1) for item in value]
    if kind is str:
        return _exact_text(value, room)
    _take(room, 8, depth)
    if value is None or kind is bool:
        return value
    if kind is int and -sanitize.SAFE_INTEGER_MAX <= value <= sanitize.SAFE_INTEGER_MAX:
        return value
    # NaN and infinities give NaN here.
    if kind is float and value - value == 0:
        return value
    raise ValueError("not a JSON value")


def _exact_text(value: Any, room: list[int]) -> str:
    if type(value) is not str:
        raise ValueError("not a JSON value")
    _take(room, len(value) + 3, 0)
    # Lone surrogates raise UnicodeEncodeError, a ValueError.
    value.encode("utf-8")
    return value


def _take(room: list[int], size: int, depth: int) -> None:
    room[0] -= size
    room[1] -= 1
    if room[0] < 0 or room[1] < 0 or depth < 0:
        raise ValueError("the JSON value is too large")
