"""Decides, from the code alone, which tools a cell calls in the awaitable form.

A tool is awaited when the value of one of its calls reaches an `await` or asyncio: directly (`await f(1)`), inside a collection
(`gather(*(f(i) for i in ids))`), or through a name (`jobs = [f(i) for i in ids]`, then `await gather(*jobs)`).
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Functions of asyncio that take awaitables, by the name at the end of the call.
_TAKE_AWAITABLES = frozenset({
    "gather", "create_task", "ensure_future", "wait_for", "wait", "as_completed", "shield", "run", "run_until_complete",
    "run_coroutine_threadsafe",
})  # fmt: skip
# Expressions, functions and methods whose value holds what they are given.
_HOLDERS = (
    ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.Starred, ast.BinOp, ast.BoolOp, ast.IfExp, ast.NamedExpr,
)  # fmt: skip
_PASS_ON = frozenset({"list", "tuple", "set", "dict", "zip", "enumerate", "reversed", "iter", "map", "filter", "chain"})
_TAKE_OUT = frozenset({"values", "items", "pop", "popleft", "copy", "get"})
_COLLECT = frozenset({"append", "add", "insert", "extend", "appendleft", "put", "put_nowait"})


def awaited_tools(tree: ast.Module, tools: set[str]) -> set[str]:
    """Returns the tools among `tools` whose calls the code awaits or hands to asyncio."""
    used = {_dotted(node) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))} & tools
    return {tool for tool in used if _reaches_await(tree, tool)}


def _dotted(node: ast.expr) -> str:
    """Returns `name`, or `server.name` for a tool of a server; an empty text for other expressions."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _reaches_await(tree: ast.Module, tool: str) -> bool:
    carriers = _Carriers(tree, tool)
    return any(carriers.carries(value) for value in _awaited_values(tree))


def _awaited_values(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Await):
            yield node.value
        elif isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
            yield node.iter
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in _TAKE_AWAITABLES and _is_of_asyncio(node.func):
                yield from node.args


def _is_of_asyncio(function: ast.Name | ast.Attribute) -> bool:
    """`subprocess.run` takes no awaitable; `asyncio.run`, `loop.create_task` and an imported `gather` do."""
    if isinstance(function, ast.Name):
        return function.id != "run"
    owner = function.value
    return function.attr not in ("run", "wait") or (isinstance(owner, ast.Name) and owner.id in ("asyncio", "aio", "loop", "runner"))


class _Carriers:
    """The names whose value may hold an unawaited call of one tool: variables, and functions that return one."""

    def __init__(self, tree: ast.Module, tool: str) -> None:
        self._tool = tool
        self._names: set[str] = set()
        assignments = [pair for node in ast.walk(tree) for pair in _assignments(node)]
        grown = True
        while grown:
            before = len(self._names)
            self._names.update(name for name, value in assignments if name not in self._names and self.carries(value))
            grown = len(self._names) > before

    def carries(self, value: ast.expr) -> bool:
        """Whether the value of the expression may hold a call of the tool that nothing has awaited yet."""
        if isinstance(value, ast.Name):
            return value.id in self._names
        if isinstance(value, ast.Call):
            return self._call_carries(value)
        if isinstance(value, ast.Subscript):
            # `jobs[0]` is a job; `f(1)["name"]` reads an answer.
            return isinstance(value.value, ast.Name) and self.carries(value.value)
        return isinstance(value, _HOLDERS) and any(self.carries(part) for part in _parts(value))

    def _call_carries(self, call: ast.Call) -> bool:
        function = call.func
        if self._returns_call(function):
            return True
        if isinstance(function, ast.Attribute):
            return function.attr in _TAKE_OUT and self.carries(function.value)
        if not isinstance(function, ast.Name):
            return False
        if function.id not in _PASS_ON:
            # Any other function takes a value as data: `await g(x)` says nothing about where `x` comes from.
            return False
        mapped = function.id == "map" and bool(call.args) and self._returns_call(call.args[0])
        return mapped or any(self.carries(part) for part in call.args)

    def _returns_call(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Lambda):
            return self.carries(function.body)
        return _dotted(function) == self._tool or (isinstance(function, ast.Name) and function.id in self._names)


def _parts(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions directly inside a node, those of comprehensions included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.comprehension):
            yield child.iter


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yields each name that a node gives a value, with the value."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value is not None:
        # A name for a function stands for what the function returns.
        value = node.value.body if isinstance(node.value, ast.Lambda) else node.value
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from ((name, value) for target in targets for name in _target_names(target))
    elif isinstance(node, (ast.For, ast.comprehension)):
        yield from ((name, node.iter) for name in _target_names(node.target))
    elif isinstance(node, ast.FunctionDef):
        yield from ((node.name, inner.value) for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value is not None)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COLLECT:
        yield from ((name, argument) for name in _target_names(node.func.value) for argument in node.args)


def _target_names(target: ast.expr) -> Iterator[str]:
    for inner in ast.walk(target):
        if isinstance(inner, ast.Name):
            yield inner.id
