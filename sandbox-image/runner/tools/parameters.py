"""The parameters of a tool: from its JSON Schema to a Python signature, and from a Python call to JSON arguments."""

from __future__ import annotations

import json
import math
from inspect import Parameter, Signature, _empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_ANNOTATIONS: dict[str, Any] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict, "null": None,
}  # fmt: skip
_SHOWN_CHARS = 80
_DEPTH_MAX = 64


class Parameters:
    """The parameters of one tool, in the order of its schema. Without a schema, any keyword arguments are taken."""

    def __init__(self, tool: str, schema: dict[str, Any] | None) -> None:
        self._tool = tool
        self._root = schema or {}
        properties = self._root.get("properties")
        self._properties: dict[str, Any] = properties if isinstance(properties, dict) else {}
        required = self._root.get("required")
        self._required = [name for name in required if name in self._properties] if isinstance(required, list) else []
        self._open = not self._properties or self._root.get("additionalProperties", False) not in (False, None)

    def signature(self) -> Signature:
        """Returns the signature for help(). Optional parameters show their default, or `...`."""
        keyword_only = False
        parameters: list[Parameter] = []
        for name, schema in self._properties.items():
            if not name.isidentifier():
                continue
            needed = name in self._required
            default = _empty if needed else (schema.get("default", ...) if isinstance(schema, dict) else ...)
            # Python allows no parameter without a default after one that has one.
            keyword_only = keyword_only or (needed and bool(parameters) and parameters[-1].default is not _empty)
            kind = Parameter.KEYWORD_ONLY if keyword_only else Parameter.POSITIONAL_OR_KEYWORD
            parameters.append(Parameter(name, kind, default=default, annotation=_annotation(schema)))
        if self._open:
            parameters.append(Parameter("arguments", Parameter.VAR_KEYWORD))
        return Signature(parameters)

    def descriptions(self) -> list[tuple[str, str]]:
        """Returns the parameters that have a description, each with it."""
        described = ((name, schema.get("description")) for name, schema in self._properties.items() if isinstance(schema, dict))
        return [(name, text) for name, text in described if isinstance(text, str)]

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Returns the arguments as JSON text. Raises TypeError that names the parameter at fault."""
        names = list(self._properties)
        if len(args) > len(names):
            raise TypeError(f"{self._tool}() takes {len(names)} positional arguments but {len(args)} were given")
        arguments = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in arguments:
                raise TypeError(f"{self._tool}() got multiple values for argument '{name}'")
            if name not in self._properties and not self._open:
                known = f"; it takes {', '.join(names)}" if names else ""
                raise TypeError(f"{self._tool}() got an unexpected keyword argument '{name}'{known}")
            arguments[name] = value
        missing = [name for name in self._required if name not in arguments]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise TypeError(f"{self._tool}() is missing required argument{plural}: {', '.join(missing)}")
        plain = {name: self._plain(value, name) for name, value in arguments.items()}
        for name, value in plain.items():
            problem = self._problem(value, self._properties.get(name), 0)
            if problem is not None:
                raise TypeError(f"{self._tool}(): argument '{name}' {problem}")
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")

    def _plain(self, value: Any, name: str, depth: int = 0) -> Any:
        """Returns a JSON value: what JSON has stays, and numbers and arrays of numpy, tuples and dates become what it has."""
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if depth > _DEPTH_MAX:
            raise TypeError(f"{self._tool}(): argument '{name}' is nested too deeply")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise TypeError(f"{self._tool}(): argument '{name}' is {value}, which JSON does not have")
            return float(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, (list, tuple)):
            return [self._plain(item, name, depth + 1) for item in value]
        if isinstance(value, dict):
            return {str(key): self._plain(item, name, depth + 1) for key, item in value.items()}
        for method in ("tolist", "isoformat"):
            convert = getattr(value, method, None)
            if callable(convert):
                return self._plain(convert(), name, depth + 1)
        raise TypeError(f"{self._tool}(): argument '{name}' is a {type(value).__name__}, which is not a JSON value")

    def _problem(self, value: Any, schema: Any, depth: int) -> str | None:
        """Returns what is wrong with a value, as the end of a sentence. Knows the keywords that models get wrong."""
        schema = self._resolve(schema)
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            return None
        wanted = schema.get("type")
        types = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
        if types and not any(_is_of(value, name) for name in types):
            return f"must be {' or '.join(map(str, types))}, not {type(value).__name__} ({_shown(value)})"
        allowed = schema.get("enum")
        if isinstance(allowed, list) and value not in allowed:
            return f"must be one of {_shown(allowed)}, not {_shown(value)}"
        choices = schema.get("anyOf")
        if isinstance(choices, list) and choices:
            problems = [self._problem(value, choice, depth + 1) for choice in choices]
            if None not in problems:
                return problems[0]
        if isinstance(value, list):
            for at, item in enumerate(value):
                problem = self._problem(item, schema.get("items"), depth + 1)
                if problem is not None:
                    return f"[{at}] {problem}"
        if isinstance(value, dict):
            return self._object_problem(value, schema, depth)
        return None

    def _object_problem(self, value: dict[str, Any], schema: dict[str, Any], depth: int) -> str | None:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        for name in required if isinstance(required, list) else []:
            if name not in value:
                return f"lacks '{name}'"
        for name, item in value.items():
            if name not in properties and schema.get("additionalProperties") is False:
                return f"must not have '{name}'"
            problem = self._problem(item, properties.get(name), depth + 1)
            if problem is not None:
                return f"['{name}'] {problem}"
        return None

    def _resolve(self, schema: Any) -> Any:
        """Follows a reference inside the tool's schema."""
        for _ in range(_DEPTH_MAX):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return schema
            target: Any = self._root
            for part in reference[2:].split("/"):
                target = target.get(part) if isinstance(target, dict) else None
            schema = target
        return None


def _is_of(value: Any, name: object) -> bool:
    if not isinstance(name, str) or name not in _PYTHON_TYPES:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON_TYPES[name])


def _annotation(schema: Any) -> Any:
    name = schema.get("type") if isinstance(schema, dict) else None
    return _ANNOTATIONS.get(name, _empty) if isinstance(name, str) else _empty


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
