"""
Drives /mcp with the named clients of the Model Context Protocol, side by side. Prints what each of them saw: the tools,
printed text, an image, a session, an error, a large result, a long silent run with progress, and how a cancelled call ended.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.request import Request, urlopen

wanted = json.loads(sys.argv[1])
URL = os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/mcp"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
PNG = "from PIL import Image\nimport os\nside = {side}\nImage.frombytes('RGB', (side, side), os.urandom(3 * side * side))"

# Texts and sizes of images of one result, and whether it is an error.
Seen = tuple[list[str], list[int], bool]


class Opened(Protocol):
    async def tools(self) -> list[str]: ...
    async def run(self, progress: list[str] | None = None, **arguments: Any) -> Seen: ...


def seen(content: list[Any], failed: bool) -> Seen:
    images = [len(base64.b64decode(block.data)) for block in content if block.type == "image"]
    return [block.text for block in content if block.type == "text"], images, failed


class OfMcp:
    """A client with `list_tools` and `call_tool` of the official package, or one that is built on it."""

    def __init__(self, client: Any, progress_name: str | None = "progress_callback", **options: Any) -> None:
        self.client, self.progress_name, self.options = client, progress_name, options

    async def tools(self) -> list[str]:
        found = await self.client.list_tools()
        return [tool.name for tool in getattr(found, "tools", found)]

    async def run(self, progress: list[str] | None = None, **arguments: Any) -> Seen:
        async def note(*about: Any) -> None:
            progress is not None and progress.append(str(about[2]))

        options = {**self.options, **({} if progress is None or self.progress_name is None else {self.progress_name: note})}
        result = await self.client.call_tool("execute_python", arguments, **options)
        failed = next(getattr(result, name) for name in ("is_error", "isError") if hasattr(result, name))
        return seen(result.content, failed)


@asynccontextmanager
async def with_mcp() -> AsyncGenerator[Opened]:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client

    async with Client(streamable_http_client(URL, http_client=create_mcp_http_client(HEADERS))) as client:
        yield OfMcp(client)


@asynccontextmanager
async def with_fastmcp() -> AsyncGenerator[Opened]:
    from fastmcp import Client
    from fastmcp.client.transports import StreamableHttpTransport

    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        yield OfMcp(client, "progress_handler", raise_on_error=False)


@asynccontextmanager
async def with_agents() -> AsyncGenerator[Opened]:
    from agents.mcp import MCPServerStreamableHttp

    # Its default gives up after 5 s.
    async with MCPServerStreamableHttp({"url": URL, "headers": HEADERS}, client_session_timeout_seconds=60) as server:
        yield OfMcp(server, None)


@asynccontextmanager
async def with_pydantic_ai() -> AsyncGenerator[Opened]:
    from fastmcp.client.transports import StreamableHttpTransport
    from pydantic_ai import BinaryContent, ModelRetry
    from pydantic_ai.mcp import MCPToolset

    class Tools:
        async def tools(self) -> list[str]:
            return [tool.name for tool in await toolset.list_tools()]

        async def run(self, progress: list[str] | None = None, **arguments: Any) -> Seen:
            try:
                result = await toolset.direct_call_tool("execute_python", arguments)
            except ModelRetry as error:
                return [error.message], [], True
            parts = result if isinstance(result, list) else [result]
            return (
                [part for part in parts if isinstance(part, str)],
                [len(part.data) for part in parts if isinstance(part, BinaryContent)],
                False,
            )

    async with MCPToolset(StreamableHttpTransport(URL, headers=HEADERS)) as toolset:
        yield Tools()


@asynccontextmanager
async def with_agent_framework() -> AsyncGenerator[Opened]:
    from agent_framework import MCPStreamableHTTPTool
    from agent_framework.exceptions import ToolExecutionException

    class Tools:
        async def tools(self) -> list[str]:
            return [function.name for function in server.functions]

        async def run(self, progress: list[str] | None = None, **arguments: Any) -> Seen:
            try:
                result = await server.call_tool("execute_python", **arguments)
            except ToolExecutionException as error:
                return [str(error)], [], True
            images = [len(base64.b64decode(part.uri.split(",")[1])) for part in result if part.type == "data"]
            return [part.text for part in result if part.type == "text"], images, False

    # It drops arguments with the names of its own parameters unless they are named here.
    async with MCPStreamableHTTPTool("code", URL, static_headers=HEADERS, additional_tool_argument_names=["session"]) as server:
        yield Tools()


@asynccontextmanager
async def with_langchain() -> AsyncGenerator[Opened]:
    from langchain_core.tools import ToolException
    from langchain_mcp_adapters.callbacks import Callbacks
    from langchain_mcp_adapters.client import MultiServerMCPClient

    notes: list[list[str]] = []

    async def note(_progress: float, _total: float | None, message: str | None, _context: Any) -> None:
        for one in notes:
            one.append(str(message))

    connection = {"transport": "streamable_http", "url": URL, "headers": HEADERS}
    client = MultiServerMCPClient({"code": connection}, callbacks=Callbacks(on_progress=note))  # type: ignore[dict-item]

    class Tools:
        async def tools(self) -> list[str]:
            return [tool.name for tool in await client.get_tools()]

        async def run(self, progress: list[str] | None = None, **arguments: Any) -> Seen:
            (tool,) = [one for one in await client.get_tools() if one.name == "execute_python"]
            if progress is not None:
                notes.append(progress)
            try:
                blocks = await tool.ainvoke(arguments)
            except ToolException as error:
                return [str(error)], [], True
            images = [len(base64.b64decode(block["base64"])) for block in blocks if "base64" in block]
            return [block["text"] for block in blocks if block["type"] == "text"], images, False

    yield Tools()


@asynccontextmanager
async def with_mcp_1() -> AsyncGenerator[Opened]:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        yield OfMcp(session)


async def reached(marker: str, status: str) -> str:
    """Waits until the execution whose code contains the marker has this status, at most until it would end by itself."""

    def executions() -> list[dict[str, Any]]:
        with urlopen(Request(URL.replace("/mcp", "/v1/executions?limit=50"), headers=HEADERS)) as answer:
            return json.load(answer)["data"]  # type: ignore[no-any-return]

    last = ""
    for _ in range(80):
        last = next((one["status"] for one in await asyncio.to_thread(executions) if marker in one["code"]), "")
        if last == status:
            break
        await asyncio.sleep(0.25)
    return last


async def drive(name: str, run: Callable[..., Awaitable[Seen]], tools: list[str]) -> dict[str, object]:
    async def long() -> object:
        notes: list[str] = []
        code = "import time\nprint('begun', flush=True)\ntime.sleep(20)\nprint('ended')"
        texts, _, failed = await run(progress=notes, code=code, timeout_ms=25_000)
        return [texts, "begun" in "".join(notes), failed]

    async def cancelled() -> str:
        if name == "mcp_1":
            return "cancelled"  # It tells the server nothing.
        marker = f"# cancelled by {name}"
        call = asyncio.create_task(run(code=f"import time {marker}\ntime.sleep(24)", timeout_ms=25_000))
        await reached(marker, "in_progress")
        call.cancel()
        await asyncio.wait([call])
        return await reached(marker, "cancelled")

    async def short() -> dict[str, object]:
        opened = await run(code="x = 41\nprint('set')", session="new")
        session = next(text for text in opened[0] if text.startswith("session: ")).removeprefix("session: ")
        large = [await run(progress=notes, code=PNG.format(side=1_000)) for notes in ([], None)]
        return {
            "printed": await run(code="print(6 * 7)"),
            "image": await run(code="from PIL import Image\nImage.new('RGB', (9, 9))"),
            "session": (await run(code="print(x + 1)", session=session))[0][0],
            "error": await run(code="print('before')\n1/0"),
            "large": [images for _, images, _ in large],
        }

    answers, silent, stopped = await asyncio.gather(short(), long(), cancelled())
    return {"tools": sorted(tools), "long": silent, "cancelled": stopped, **answers}


async def with_client(name: str) -> dict[str, object]:
    async with globals()[f"with_{name}"]() as opened:
        return await drive(name, opened.run, await opened.tools())


async def main() -> None:
    found = await asyncio.gather(*(with_client(name) for name in wanted["clients"]))
    print(json.dumps(dict(zip(wanted["clients"], found, strict=True))))


asyncio.run(main())
