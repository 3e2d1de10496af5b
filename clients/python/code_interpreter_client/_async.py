"""The client of programs with an event loop: asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, Unpack, cast

import httpx

from ._errors import CodeInterpreterError, error_of, pause_before_retry, unreachable
from ._events import EventParser
from ._options import (
    CANCEL_TIMEOUT_S,
    ENDED,
    EXECUTIONS,
    RESUME_S,
    RESUMES_MAX,
    VERSION,
    Request,
    RunOptions,
    StoredFile,
    ended_call,
    failed_call,
)
from ._result import Result
from ._sync import TIMEOUT
from ._types import Execution, ExecutionEvent

AsyncResult = Result[Coroutine[Any, Any, bytes]]


class AsyncCodeInterpreter:
    """A code-interpreter service, for one API key. Functions in `tools` may be async."""

    def __init__(self, base_url: str, api_key: str, *, http_client: httpx.AsyncClient | None = None) -> None:
        self._http = _Http(base_url, api_key, http_client or httpx.AsyncClient(timeout=TIMEOUT))

    async def run(self, code: str, **options: Unpack[RunOptions]) -> AsyncResult:
        """Runs code in a fresh sandbox, to its end. Cancelling the task cancels the execution."""
        return Result(await _Run(self._http, Request(code, None, **options)).to_end(), self.download)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> AsyncIterator[ExecutionEvent]:
        """Runs code and yields its events as they happen. Closing the iterator early cancels it."""
        return _Run(self._http, Request(code, None, **options)).events()

    async def session(self, *, name: str | None = None, memory_limit: str | None = None, restore_from: str | None = None) -> AsyncSession:
        """Opens a session, which keeps variables and files from one run to the next. As a context manager it is closed at the end."""
        given = {"name": name, "memory_limit": memory_limit, "restore_from": restore_from}
        body = {key: value for key, value in given.items() if value is not None}
        made = (await self._http.send("POST", "/v1/containers", repeatable=False, json=body)).json()
        return AsyncSession(made["id"], self._http, self)

    def session_of(self, id: str) -> AsyncSession:
        """A session that exists."""
        return AsyncSession(id, self._http, self)

    async def upload(self, name: str, content: bytes) -> StoredFile:
        stored = (await self._http.send("POST", "/v1/files", repeatable=False, files={"file": (name, content)})).json()
        return StoredFile(stored["id"], stored["filename"], stored["bytes"])

    async def download(self, file_id: str) -> bytes:
        return (await self._http.send("GET", f"/v1/files/{file_id}/content", repeatable=True)).content

    async def close(self) -> None:
        await self._http.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class AsyncSession:
    """A sandbox that is kept."""

    def __init__(self, id: str, http: _Http, owner: AsyncCodeInterpreter) -> None:
        self.id = id
        self._http = http
        self._owner = owner

    async def run(self, code: str, **options: Unpack[RunOptions]) -> AsyncResult:
        return Result(await _Run(self._http, Request(code, self.id, **options)).to_end(), self._owner.download)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> AsyncIterator[ExecutionEvent]:
        return _Run(self._http, Request(code, self.id, **options)).events()

    async def close(self) -> None:
        await self._http.send("DELETE", f"/v1/containers/{self.id}", repeatable=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class _Http:
    """Requests to one service. Retries what has no effects twice, with the pauses that the service asks for."""

    def __init__(self, base_url: str, api_key: str, client: httpx.AsyncClient) -> None:
        self.base_url = base_url.rstrip("/")
        self.client = client
        self._headers = {"authorization": f"Bearer {api_key}", "user-agent": f"code-interpreter-client-python/{VERSION}"}

    async def send(self, method: str, path: str, *, repeatable: bool, stream: bool = False, **content: Any) -> httpx.Response:
        """The answer, read whole unless `stream` is set. Raises CodeInterpreterError."""
        headers = {**self._headers, **content.pop("headers", {})}
        turn = 0
        while True:
            turn += 1
            try:
                response = await self.client.send(
                    self.client.build_request(method, self.base_url + path, headers=headers, **content), stream=stream
                )
                if response.is_success:
                    return response
                await response.aread()
                error = error_of(response)
            except httpx.TransportError as cause:
                error = unreachable(self.base_url)
                error.__cause__ = cause
            pause = pause_before_retry(error, turn, repeatable=repeatable)
            if pause is None:
                raise error
            await asyncio.sleep(pause)


class _Run:
    """One execution, from its request to its end."""

    def __init__(self, http: _Http, request: Request) -> None:
        self._http = http
        self._request = request
        self._id: str | None = None
        self._calls: dict[str, asyncio.Task[dict[str, Any]]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def to_end(self) -> Execution:
        try:
            execution = await self._submit()
            while execution["status"] not in ENDED:
                self._id = execution["id"]
                pending = execution.get("pending_calls", [])
                # A long execution outlasts one wait: the same request waits again.
                execution = await (self._answer(pending) if pending else self._submit())
            return execution
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel())
            raise
        finally:
            self._end_calls()

    async def events(self) -> AsyncIterator[ExecutionEvent]:
        parser = EventParser()
        ended = False
        failures = 0
        try:
            while failures <= RESUMES_MAX:
                try:
                    response = await self._open(parser.last_id)
                    try:
                        async for line in response.aiter_lines():
                            event = parser.push(line)
                            if event is None:
                                continue
                            failures = 0
                            ended = event["type"] == "execution.ended"
                            self._answer_call(event)
                            yield event
                            if ended:
                                return
                    finally:
                        await response.aclose()
                except httpx.TransportError:
                    parser.cut()
                except CodeInterpreterError as error:
                    if error.status != 0:
                        ended = True
                        raise
                await asyncio.sleep(RESUME_S * 2**failures)
                failures += 1
            ended = True
            raise CodeInterpreterError("The connection keeps breaking; the execution goes on", code="unreachable", status=0)
        finally:
            if not ended:
                await asyncio.shield(self._cancel())
            self._end_calls()

    async def _open(self, last_id: str | None) -> httpx.Response:
        if self._id is not None and last_id is not None:
            headers = {"accept": "text/event-stream", "last-event-id": last_id}
            return await self._http.send("GET", f"{EXECUTIONS}/{self._id}/events", repeatable=True, stream=True, headers=headers)
        response = await self._post({"accept": "text/event-stream"}, stream=True)
        self._id = response.headers.get("location", "").rpartition("/")[2] or None
        return response

    async def _submit(self, **headers: str) -> Execution:
        return cast(Execution, (await self._post(headers)).json())

    async def _post(self, headers: dict[str, str], *, stream: bool = False) -> httpx.Response:
        content = {"headers": self._request.headers(headers), "content": self._request.content}
        return await self._http.send("POST", EXECUTIONS, repeatable=True, stream=stream, **content)

    async def _answer(self, pending: list[Any]) -> Execution:
        """Starts the functions that are called, and sends the outputs of those that have ended. The service takes an output once."""
        ended, _ = await asyncio.wait([self._start(call) for call in pending], return_when=asyncio.FIRST_COMPLETED)
        try:
            return await self._send_outputs([each.result() for each in ended])
        except CodeInterpreterError as error:
            # A function took longer than its call waits, so the code has an error. The others are asked for again.
            if error.code != "tool_call_not_waiting":
                raise
            return await self._submit()

    def _answer_call(self, event: ExecutionEvent) -> None:
        """In a stream each call is answered when its function ends. A late answer is of no use to the code."""
        if event["type"] != "execution.tool_call" or event["arguments"] is None or event["name"] not in self._request.tools:
            return
        sending = asyncio.create_task(self._send_late(self._start(event)))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_late(self, call: asyncio.Task[dict[str, Any]]) -> None:
        try:
            await self._send_outputs([await call], prefer="respond-async")
        except CodeInterpreterError:
            # The execution has ended, or the call waits no more.
            pass

    async def _send_outputs(self, outputs: list[dict[str, Any]], **headers: str) -> Execution:
        path = f"{EXECUTIONS}/{self._id}/tool_outputs"
        answer = await self._http.send("POST", path, repeatable=True, headers=headers, json={"outputs": outputs})
        return cast(Execution, answer.json())

    def _start(self, call: Any) -> asyncio.Task[dict[str, Any]]:
        id = call["call_id"]
        if id not in self._calls:
            self._calls[id] = asyncio.create_task(self._make(call))
        return self._calls[id]

    async def _make(self, call: Mapping[str, Any]) -> dict[str, Any]:
        unknown = self._request.unknown(call)
        if unknown is not None:
            return unknown
        run = self._request.tools[call["name"]].run
        try:
            if inspect.iscoroutinefunction(run):
                output = await run(**call["arguments"])
            else:
                # It may block.
                output = await asyncio.to_thread(run, **call["arguments"])
            return ended_call(call, output)
        except Exception as error:
            return failed_call(call, error)

    def _end_calls(self) -> None:
        for task in (*self._calls.values(), *self._sending):
            task.cancel()

    async def _cancel(self) -> None:
        """A request that was cut has told no id. The same request, without waiting, does."""
        try:
            if self._id is None:
                self._id = (await self._submit(prefer="respond-async"))["id"]
            await self._http.send("POST", f"{EXECUTIONS}/{self._id}/cancel", repeatable=True, timeout=CANCEL_TIMEOUT_S)
        except CodeInterpreterError:
            # It then runs to its own time limit.
            pass
