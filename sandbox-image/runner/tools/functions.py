"""The functions that the code calls: one for each tool of the request, in a blocking and an awaitable form."""

from __future__ import annotations

import _thread
import json
from types import ModuleType

from runner.outputs.sender import flush_streams
from runner.tools.client import ENDED, ERROR, TIMEOUT, ToolClient
from runner.tools.forms import awaited_tools
from runner.tools.parameters import Parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _ast
    import asyncio
    from collections.abc import Callable, Iterator
    from typing import Any


class ToolError(Exception):
    """The tool answered with an error."""


class ToolTimeout(ToolError):
    """The tool did not answer in time."""


for _error in (ToolError, ToolTimeout):
    # As the code sees them: built in, not a module of the runner.
    _error.__module__ = "builtins"


class CellTools:
    """The tools of one cell. They exist as global variables of the code while it runs."""

    def __init__(self, declared: list[dict[str, Any]], servers: list[dict[str, Any]], client: ToolClient) -> None:
        self._client = client
        self._tools = [Tool(tool, client) for tool in declared]
        self._servers = {server["label"]: ToolServer(server["label"], server.get("problem")) for server in servers}
        for tool in self._tools:
            if tool.server is not None:
                self._servers[tool.server].add(tool)
        self._namespace: dict[str, Any] = {}
        self._defined: dict[str, Any] = {}

    def define(self, namespace: dict[str, Any]) -> None:
        """Defines the functions, before the cell runs."""
        self._namespace = namespace
        names = {"ToolError": ToolError, "ToolTimeout": ToolTimeout, "tools": ToolList(self._tools)}
        self._defined = {**names, **self._servers, **{tool.name: tool.blocking for tool in self._tools if tool.server is None}}
        namespace.update(self._defined)

    def choose_forms(self, tree: _ast.Module) -> None:
        """Replaces functions by their awaitable form where the cell's code awaits them, or the tool says so."""
        awaited = awaited_tools(tree, {tool.name for tool in self._tools})
        for tool in self._tools:
            is_async = tool.is_async if tool.is_async is not None else tool.name in awaited
            if not is_async:
                continue
            if tool.server is not None:
                self._servers[tool.server].__dict__[tool.attribute] = tool.awaitable
            elif self._namespace.get(tool.name) is tool.blocking:
                self._namespace[tool.name] = self._defined[tool.name] = tool.awaitable

    def end(self) -> None:
        """The cell has ended: open calls get an error, and the functions go, unless the code has replaced them."""
        self._client.close()
        for name, value in self._defined.items():
            if self._namespace.get(name) is value:
                del self._namespace[name]


class ToolServer(ModuleType):
    """The tools of one server, as `label.tool(...)`. A module, so that help() and dir() show its functions."""

    def __init__(self, label: str, problem: str | None) -> None:
        super().__init__(label)
        self.__all__: list[str] = []
        self._tools: list[Tool] = []
        self._problem = problem

    def add(self, tool: Tool) -> None:
        self._tools.append(tool)
        self.__all__.append(tool.attribute)
        self.__doc__ = "Tools of a server. Each raises ToolError when it fails."
        setattr(self, tool.attribute, tool.blocking)

    def __getattr__(self, name: str) -> Any:
        if self._problem is not None and not name.startswith("_"):
            raise ToolError(f"{self.__name__}.{name}(): {self._problem}")
        raise AttributeError(f"'{self.__name__}' has no tool '{name}'; it has {', '.join(self.__all__) or 'none'}")

    def __dir__(self) -> list[str]:
        return list(self.__all__)

    def __repr__(self) -> str:
        if self._problem is not None:
            return f"{self.__name__}: {self._problem}"
        return "\n".join(tool.line() for tool in self._tools) or f"{self.__name__} has no tools"


class Tool:
    def __init__(self, declared: dict[str, Any], client: ToolClient) -> None:
        self.name: str = declared["name"]
        label, dot, attribute = self.name.partition(".")
        # The label of the server that has the tool; None for a function of the caller.
        self.server: str | None = label if dot else None
        self.attribute: str = attribute if dot else self.name
        self.description: str = declared.get("description") or ""
        self.is_async: bool | None = declared.get("async")
        self.parameters = Parameters(self.name, declared.get("parameters"))
        self._client = client
        self.blocking = self._dress(self._make_blocking())
        self.awaitable = self._dress(self._make_awaitable())

    def line(self) -> str:
        first = self.description.strip().split("\n", 1)[0]
        return f"{self.name}{self.parameters.signature()}" + (f": {first}" if first else "")

    def _make_blocking(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            answered = _thread.allocate_lock()
            answered.acquire()
            answer: list[Any] = []

            def on_answer(outcome: str, body: bytes) -> None:
                answer.extend((outcome, body))
                answered.release()

            self._start(args, kwargs, on_answer)
            answered.acquire()
            return self._value(*answer)

        return call

    def _make_awaitable(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            import asyncio

            loop = asyncio.get_running_loop()
            answer: asyncio.Future[tuple[str, bytes]] = loop.create_future()

            def settle(outcome: str, body: bytes) -> None:
                if not answer.done():
                    answer.set_result((outcome, body))

            def on_answer(outcome: str, body: bytes) -> None:
                try:
                    loop.call_soon_threadsafe(settle, outcome, body)
                except RuntimeError:
                    # The loop is closed: nothing waits for the answer any more.
                    pass

            self._start(args, kwargs, on_answer)
            return self._value(*await answer)

        return call

    def _start(self, args: tuple[Any, ...], kwargs: dict[str, Any], on_answer: Callable[[str, bytes], None]) -> None:
        if self._client.is_fork:
            raise ToolError(f"{self.name}() cannot be called in a forked process; call it in the main program, threads included")
        arguments = self.parameters.bind(args, kwargs)
        if len(arguments) > self._client.value_bytes_max:
            raise ToolError(f"{self.name}(): the arguments have {len(arguments)} bytes; at most {self._client.value_bytes_max}")
        # What was printed before the call comes before it.
        flush_streams()
        self._client.call(self.name, arguments, on_answer)

    def _value(self, outcome: str, body: bytes) -> Any:
        value = json.loads(body) if body else None
        if outcome == TIMEOUT:
            raise ToolTimeout(f"{self.name}() was not answered in time")
        if outcome == ERROR:
            raise ToolError(value if isinstance(value, str) and body != ENDED else f"{self.name}(): {value}")
        return value

    def _dress(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Gives a function what help() and inspect show."""
        function.__name__ = self.attribute
        function.__qualname__ = self.name
        function.__module__ = "__main__"
        described = "\n".join(f"{name}: {text}" for name, text in self.parameters.descriptions())
        function.__doc__ = "\n\n".join(part for part in (self.description, described) if part) or None
        function.__signature__ = self.parameters.signature()  # type: ignore[attr-defined]
        return function


class ToolList:
    """The names of the tools. Shown, it says how each is called."""

    def __init__(self, declared: list[Tool]) -> None:
        self._tools = declared

    def __iter__(self) -> Iterator[str]:
        return (tool.name for tool in self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def __repr__(self) -> str:
        return "\n".join(tool.line() for tool in self._tools)
