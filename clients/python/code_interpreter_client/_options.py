"""What a run is given, and the request that it becomes."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

VERSION = "0.1.0"
EXECUTIONS = "/v1/executions"
ENDED = frozenset(("completed", "failed", "incomplete", "cancelled", "errored"))
RESUMES_MAX = 5
RESUME_S = 0.5
CANCEL_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class StoredFile:
    """A file of the service, as `upload` returns it."""

    id: str
    name: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Tool:
    """A function that the code may call, with what `help()` shows and a JSON Schema that the arguments are checked against."""

    run: Callable[..., Any]
    description: str | None = None
    parameters: Mapping[str, Any] | None = None


class RunOptions(TypedDict, total=False):
    """
    Options of a run. `files` are by name in the working folder. The arguments of the code's calls reach `tools` by keyword. What
    a tool raises is raised in the code. Requests with the same `idempotency_key` and body run once.
    """

    files: Mapping[str, str | bytes | StoredFile]
    args: Sequence[str]
    stdin: str
    env: Mapping[str, str]
    timeout_ms: int
    memory_mb: int
    metadata: Mapping[str, str]
    tools: Mapping[str, Callable[..., Any] | Tool]
    tool_timeout_ms: int
    mcp_servers: Sequence[str]
    idempotency_key: str


class Request:
    """One execution's request. It is the same whenever it is sent, so the service runs it once."""

    def __init__(self, code: str, container: str | None, **options: Unpack[RunOptions]) -> None:
        self.tools = {name: tool if isinstance(tool, Tool) else Tool(tool) for name, tool in options.get("tools", {}).items()}
        self._key = options.get("idempotency_key") or str(uuid.uuid4())
        plain = ("args", "stdin", "env", "timeout_ms", "memory_mb", "metadata", "tool_timeout_ms", "mcp_servers")
        body: dict[str, Any] = {"code": code, **{name: options[name] for name in plain if name in options}}  # type: ignore[literal-required]
        if container is not None:
            body["container"] = container
        if options.get("files"):
            body["files"] = [_input_file(name, file) for name, file in options["files"].items()]
        if self.tools:
            body["tools"] = [_declaration(name, tool) for name, tool in self.tools.items()]
        self.content = json.dumps(body).encode()

    def headers(self, others: Mapping[str, str]) -> dict[str, str]:
        return {"content-type": "application/json", "idempotency-key": self._key, **others}

    def unknown(self, call: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a call of a function that is not there."""
        if call["name"] in self.tools:
            return None
        return {"call_id": call["call_id"], "error": f"there is no function {call['name']}"}


def ended_call(call: Mapping[str, Any], output: Any) -> dict[str, Any]:
    """The answer to a call. Raises TypeError or ValueError for an output that JSON cannot hold."""
    json.dumps(output, allow_nan=False)
    return {"call_id": call["call_id"], "output": output}


def failed_call(call: Mapping[str, Any], error: BaseException) -> dict[str, Any]:
    return {"call_id": call["call_id"], "error": str(error) or type(error).__name__}


def _input_file(name: str, file: str | bytes | StoredFile) -> dict[str, str]:
    if isinstance(file, str):
        return {"name": name, "text": file}
    if isinstance(file, StoredFile):
        return {"name": name, "file_id": file.id}
    return {"name": name, "base64": base64.b64encode(file).decode()}


def _declaration(name: str, tool: Tool) -> dict[str, Any]:
    shown = {"description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "name": name, **{key: value for key, value in shown.items() if value is not None}}
