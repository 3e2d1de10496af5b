"""The client of programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
from ._types import Execution, ExecutionEvent

CALLS_AT_ONCE = 32
# The service answers a waiting request before this, with the state so far.
TIMEOUT = httpx.Timeout(10.0, read=600.0)


class CodeInterpreter:
    """A code-interpreter service, for one API key. Threads may share it."""

    def __init__(self, base_url: str, api_key: str, *, http_client: httpx.Client | None = None) -> None:
        self._http = _Http(base_url, api_key, http_client or httpx.Client(timeout=TIMEOUT))

    def run(self, code: str, **options: Unpack[RunOptions]) -> Result[bytes]:
        """Runs code in a fresh sandbox, to its end. An exception in the meantime, such as KeyboardInterrupt, cancels it."""
        return Result(_Run(self._http, Request(code, None, **options)).to_end(), self.download)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> Iterator[ExecutionEvent]:
        """Runs code and yields its events as they happen. Closing the iterator early cancels it."""
        return _Run(self._http, Request(code, None, **options)).events()

    def session(self, *, name: str | None = None, memory_limit: str | None = None, restore_from: str | None = None) -> Session:
        """Opens a session, which keeps variables and files from one run to the next. As a context manager it is closed at the end."""
        given = {"name": name, "memory_limit": memory_limit, "restore_from": restore_from}
        body = {key: value for key, value in given.items() if value is not None}
        made = self._http.send("POST", "/v1/containers", repeatable=False, json=body).json()
        return Session(made["id"], self._http, self)

    def session_of(self, id: str) -> Session:
        """A session that exists."""
        return Session(id, self._http, self)

    def upload(self, name: str, content: bytes) -> StoredFile:
        stored = self._http.send("POST", "/v1/files", repeatable=False, files={"file": (name, content)}).json()
        return StoredFile(stored["id"], stored["filename"], stored["bytes"])

    def download(self, file_id: str) -> bytes:
        return self._http.send("GET", f"/v1/files/{file_id}/content", repeatable=True).content

    def close(self) -> None:
        self._http.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Session:
    """A sandbox that is kept."""

    def __init__(self, id: str, http: _Http, owner: CodeInterpreter) -> None:
        self.id = id
        self._http = http
        self._owner = owner

    def run(self, code: str, **options: Unpack[RunOptions]) -> Result[bytes]:
        return Result(_Run(self._http, Request(code, self.id, **options)).to_end(), self._owner.download)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> Iterator[ExecutionEvent]:
        return _Run(self._http, Request(code, self.id, **options)).events()

    def close(self) -> None:
        self._http.send("DELETE", f"/v1/containers/{self.id}", repeatable=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Http:
    """Requests to one service. Retries what has no effects twice, with the pauses that the service asks for."""

    def __init__(self, base_url: str, api_key: str, client: httpx.Client) -> None:
        self.base_url = base_url.rstrip("/")
        self.client = client
        self._headers = {"authorization": f"Bearer {api_key}", "user-agent": f"code-interpreter-client-python/{VERSION}"}

    def send(self, method: str, path: str, *, repeatable: bool, stream: bool = False, **content: Any) -> httpx.Response:
        """The answer, read whole unless `stream` is set. Raises CodeInterpreterError."""
        headers = {**self._headers, **content.pop("headers", {})}
        turn = 0
        while True:
            turn += 1
            try:
                response = self.client.send(
                    self.client.build_request(method, self.base_url + path, headers=headers, **content), stream=stream
                )
                if response.is_success:
                    return response
                response.read()
                error = error_of(response)
            except httpx.TransportError as cause:
                error = unreachable(self.base_url)
                error.__cause__ = cause
            pause = pause_before_retry(error, turn, repeatable=repeatable)
            if pause is None:
                raise error
            time.sleep(pause)


class _Run:
    """One execution, from its request to its end."""

    def __init__(self, http: _Http, request: Request) -> None:
        self._http = http
        self._request = request
        self._id: str | None = None
        self._calls: dict[str, Future[dict[str, Any]]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def to_end(self) -> Execution:
        try:
            execution = self._submit()
            while execution["status"] not in ENDED:
                self._id = execution["id"]
                pending = execution.get("pending_calls", [])
                # A long execution outlasts one wait: the same request waits again.
                execution = self._answer(pending) if pending else self._submit()
            return execution
        except CodeInterpreterError:
            raise
        except BaseException:
            self._cancel()
            raise
        finally:
            self._end_pool()

    def events(self) -> Iterator[ExecutionEvent]:
        parser = EventParser()
        ended = False
        failures = 0
        try:
            while failures <= RESUMES_MAX:
                try:
                    response = self._open(parser.last_id)
                    try:
                        for line in response.iter_lines():
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
                        response.close()
                except httpx.TransportError:
                    parser.cut()
                except CodeInterpreterError as error:
                    if error.status != 0:
                        ended = True
                        raise
                time.sleep(RESUME_S * 2**failures)
                failures += 1
            ended = True
            raise CodeInterpreterError("The connection keeps breaking; the execution goes on", code="unreachable", status=0)
        finally:
            if not ended:
                self._cancel()
            self._end_pool()

    def _open(self, last_id: str | None) -> httpx.Response:
        if self._id is not None and last_id is not None:
            headers = {"accept": "text/event-stream", "last-event-id": last_id}
            return self._http.send("GET", f"{EXECUTIONS}/{self._id}/events", repeatable=True, stream=True, headers=headers)
        response = self._post({"accept": "text/event-stream"}, stream=True)
        self._id = response.headers.get("location", "").rpartition("/")[2] or None
        return response

    def _submit(self, **headers: str) -> Execution:
        return cast(Execution, self._post(headers).json())

    def _post(self, headers: dict[str, str], *, stream: bool = False) -> httpx.Response:
        content = {"headers": self._request.headers(headers), "content": self._request.content}
        return self._http.send("POST", EXECUTIONS, repeatable=True, stream=stream, **content)

    def _answer(self, pending: list[Any]) -> Execution:
        """Starts the functions that are called, and sends the outputs of those that have ended. The service takes an output once."""
        ended, _ = wait([self._start(call) for call in pending], return_when=FIRST_COMPLETED)
        try:
            return self._send_outputs([each.result() for each in ended])
        except CodeInterpreterError as error:
            # A function took longer than its call waits, so the code has an error. The others are asked for again.
            if error.code != "tool_call_not_waiting":
                raise
            return self._submit()

    def _answer_call(self, event: ExecutionEvent) -> None:
        """In a stream each call is answered when its function ends. A late answer is of no use to the code."""
        if event["type"] != "execution.tool_call" or event["arguments"] is None or event["name"] not in self._request.tools:
            return
        self._start(event).add_done_callback(self._send_late)

    def _send_late(self, done: Future[dict[str, Any]]) -> None:
        try:
            self._send_outputs([done.result()], prefer="respond-async")
        except CodeInterpreterError:
            # The execution has ended, or the call waits no more.
            pass

    def _send_outputs(self, outputs: list[dict[str, Any]], **headers: str) -> Execution:
        path = f"{EXECUTIONS}/{self._id}/tool_outputs"
        return cast(Execution, self._http.send("POST", path, repeatable=True, headers=headers, json={"outputs": outputs}).json())

    def _start(self, call: Any) -> Future[dict[str, Any]]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CALLS_AT_ONCE)
        id = call["call_id"]
        if id not in self._calls:
            self._calls[id] = self._pool.submit(self._make, call)
        return self._calls[id]

    def _make(self, call: Mapping[str, Any]) -> dict[str, Any]:
        unknown = self._request.unknown(call)
        if unknown is not None:
            return unknown
        try:
            return ended_call(call, self._request.tools[call["name"]].run(**call["arguments"]))
        except Exception as error:
            return failed_call(call, error)

    def _end_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _cancel(self) -> None:
        """A request that was cut has told no id. The same request, without waiting, does."""
        try:
            if self._id is None:
                self._id = self._submit(prefer="respond-async")["id"]
            self._http.send("POST", f"{EXECUTIONS}/{self._id}/cancel", repeatable=True, timeout=CANCEL_TIMEOUT_S)
        except CodeInterpreterError:
            # It then runs to its own time limit.
            pass
