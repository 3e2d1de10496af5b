"""The first process of the sandbox: serves the worker, runs code in a child process, and outlives it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import select
import sys
import time

from runner.wire import protocol
from runner.wire.outbox import Outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runner.files.collect import Collection
    from runner.supervisor.execution import Execution
    from runner.supervisor.process import CodeProcess, KillAll
    from runner.supervisor.session import SessionProcess

WORKING_FOLDER = "/mnt/data"
READ_BYTES = 16 * 1024
# For files: fewer, larger reads.
FILE_READ_BYTES = 256 * 1024
# Also for files. By default a pipe holds 64 KiB.
PIPE_BYTES = 1024 * 1024
# Exit codes of the supervisor itself, as in sysexits.h.
EX_DATAERR, EX_SOFTWARE, EX_IOERR = 65, 70, 74


def serve() -> NoReturn:
    """Serves the worker on standard input and output until it closes them. Never returns."""
    if os.getpid() != 1:
        raise SystemExit("the runner kills every process that it can see, so it runs only as the first process of a process namespace")
    serve_as(Supervisor(0, _take_stdout()))


def serve_as(supervisor: Supervisor) -> NoReturn:
    # The kernel drops signals to the first process that have no handler, whichever process in the sandbox sends them.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    # The supervisor makes no reference cycles, and one collection takes longer than most runs.
    gc.disable()
    try:
        supervisor.greet()
        supervisor.prepare()
        supervisor.loop()
    except (protocol.WireError, ValueError):
        os._exit(EX_DATAERR)
    except OSError:
        os._exit(EX_IOERR)
    except BaseException:
        os._exit(EX_SOFTWARE)


def _take_stdout() -> int:
    """Moves the worker's stream to a descriptor that no printing library uses."""
    worker = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    return worker


class Supervisor:
    def __init__(self, stdin: int, stdout: int) -> None:
        os.set_blocking(stdin, False)
        self._stdin = stdin
        # One buffer for all reads: allocating one for each part of a file would cost more than reading it.
        self._arrived = memoryview(bytearray(READ_BYTES))
        self._outbox = Outbox(stdout)
        self._preamble = protocol.PreambleFilter()
        self._parser = protocol.FrameParser(protocol.IN_KINDS, protocol.IN_HEAD_BYTES_MAX, protocol.IN_BODY_BYTES_MAX)
        self._program_stdin = b""
        self._execution: Execution | None = None
        self._has_run = False
        self._session: SessionProcess | None = None
        # A code process forked before its code arrives.
        self._prepared: CodeProcess | None = None

    def greet(self) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        self._outbox.put(protocol.encode(protocol.READY, {"protocol": protocol.PROTOCOL, "python": version}))

    def prepare(self) -> None:
        """Imports what every run needs, after the greeting was sent, and closes our memory to other processes."""
        from runner.code import child
        from runner.files import collect, inputs
        from runner.supervisor import execution, meter, process

        child.set_dumpable(False)
        for fd in (self._stdin, self._outbox.fd):
            child.widen_pipe(fd, PIPE_BYTES)
        self._inputs = inputs.InputFiles(WORKING_FOLDER)
        self._make_process = process.CodeProcess
        self._make_execution = execution.Execution
        self._kill_all = self._choose_kill_all()
        self._make_collection = collect.Collection
        self._make_meter = meter.Meter
        self._full_folder = meter.full_folder
        # Finalization of the code collects garbage. Frozen, what is loaded now is not searched, and its pages stay shared.
        gc.freeze()

    def _choose_kill_all(self) -> KillAll:
        from runner.supervisor import process

        return process.kill_all_others

    def loop(self) -> NoReturn:
        while True:
            execution = self._execution
            if execution is None:
                self._wait_for_work()
                continue
            ready = self._poll(execution.interests(), execution.wait_s())
            execution.react(ready)
            execution.check_clock()
            if execution.over:
                self._end_run(execution)
                self._execution = None

    def _wait_for_work(self) -> None:
        """Waits for the worker. If a session's process ends between cells, the sandbox is useless, and closes to notify the worker."""
        session = self._session
        copy = None if session is None else session.copy
        wanted = [] if session is None or session.pidfd < 0 else [(session.pidfd, select.POLLIN)]
        if copy is not None and not copy.closed:
            wanted.append((copy.fd, select.POLLIN))
        ready = self._poll(wanted, None)
        if session is not None and session.pidfd in ready:
            self._close()
        if copy is not None and not copy.closed and copy.fd in ready:
            copy.react()

    def _poll(self, wanted: list[tuple[int, int]], wait_s: float | None) -> dict[int, int]:
        """Waits for the worker and for `wanted`. Serves the worker, and returns the ready descriptors of `wanted`."""
        poll = select.poll()
        poll.register(self._stdin, select.POLLIN)
        if not self._outbox.empty:
            poll.register(self._outbox.fd, select.POLLOUT)
        for fd, events in wanted:
            poll.register(fd, events)
        # Rounded up, so that a deadline has passed when the wait for it ends.
        ready = dict(poll.poll(None if wait_s is None else int(wait_s * 1000) + 1))
        if ready.pop(self._outbox.fd, 0):
            self._outbox.write_some()
        if ready.pop(self._stdin, 0):
            self._read_worker()
        return ready

    def _read_worker(self) -> None:
        try:
            count = os.readv(self._stdin, [self._arrived])
        except BlockingIOError:
            return
        if count == 0:
            self._close()
        for frame in self._parser.push(self._preamble.pass_on(self._arrived[:count])):
            self._take(frame)

    def _take(self, frame: protocol.Frame) -> None:
        kind = frame.kind
        if kind == protocol.IN_FILE:
            self._inputs.begin(frame.head.get("name"))
            if len(self._arrived) < FILE_READ_BYTES:
                self._arrived = memoryview(bytearray(FILE_READ_BYTES))
        elif kind == protocol.IN_CHUNK:
            self._inputs.write(frame.body)
        elif kind == protocol.IN_FILE_END:
            self._inputs.end(frame.head.get("complete") is not False)
        elif kind == protocol.IN_REMOVE:
            self._inputs.remove(frame.head.get("name"))
        elif kind == protocol.IN_STDIN:
            self._program_stdin = bytes(frame.body)
        elif kind == protocol.IN_RUN:
            self._run(frame.head, bytes(frame.body))
        elif kind == protocol.IN_INTERRUPT:
            if self._execution is not None:
                self._execution.interrupt()
        elif kind == protocol.IN_TOOL_ANSWER:
            if self._execution is not None:
                self._execution.answer_tool(frame.head, bytes(frame.body))
        elif kind == protocol.IN_PRELOAD:
            self._preload(frame.head.get("module"))
        else:
            self._close()

    def _preload(self, module: object) -> None:
        from runner.supervisor.preload import preload

        answer = {"module": module if isinstance(module, str) else "", "ok": preload(module)}
        self._outbox.put(protocol.encode(protocol.PRELOADED, answer))

    def _run(self, head: dict[str, Any], code: bytes) -> None:
        if self._execution is not None or (self._has_run and self._session is None):
            raise protocol.WireError("a sandbox runs once, and a session one cell at a time")
        self._has_run = True
        if self._inputs.problems and head.get("session") is not True:
            raise protocol.WireError("an input file cannot be placed")
        self._meter = self._make_meter()
        self._bounds = head
        execution = self._make_cell(head) if head.get("session") is True else self._make_run(head)
        execution.start(code, self._program_stdin)
        if head.get("announce_start") is True:
            # After the code has begun, so that it does not wait for this.
            self._outbox.put(protocol.encode(protocol.STARTED))
        self._program_stdin = b""
        self._execution = execution

    def _make_run(self, head: dict[str, Any]) -> Execution:
        if head.get("tools") or head.get("tool_servers"):
            # Prepared processes have no tools socket.
            self._discard_prepared()
            process = self._make_process(with_tools=True)
        else:
            process, self._prepared = self._prepared or self._make_process(), None
        return self._make_execution(head, self._outbox, self._kill_all, process, self._meter)

    def _make_cell(self, head: dict[str, Any]) -> Execution:
        from runner.supervisor import session

        self._discard_prepared()
        if self._session is None:
            self._session = session.SessionProcess(head)
        return session.CellExecution(head, self._outbox, self._kill_all, self._session, self._meter)

    def _discard_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.discard()
            self._prepared = None

    def _end_run(self, execution: Execution) -> None:
        """Reports the end of the code: remaining output, files, facts."""
        full = self._full_folder(("/mnt/data", "/tmp", "/dev/shm"))
        facts = execution.finish()
        started = time.monotonic()
        collection = self._make_collection(WORKING_FOLDER, self._inputs.marks, self._bounds)
        try:
            self._send_files(collection)
        except Exception:
            # The facts of a run are reported even if its files break the collection.
            collection.truncated = True
        if self._session is not None:
            facts["removed_files"] = self._move_marks(collection)
            collection.skipped[:0] = self._inputs.problems
            self._inputs.problems = []
        meter = self._meter
        counted = {"cpu_ms": meter.cpu_ms(), "memory_peak_bytes": meter.memory_peak_bytes()}
        # Without visible cgroups, the facts keep the kernel's counts for the processes themselves.
        facts.update((name, value) for name, value in counted.items() if value is not None)
        facts.update(
            collect_ms=round((time.monotonic() - started) * 1000),
            oom_kills=meter.oom_kills(),
            processes_refused=meter.processes_refused(),
            full_folder=full,
            files_truncated=collection.truncated,
            skipped_files=collection.skipped,
        )
        self._outbox.put(protocol.encode(protocol.DONE, facts))
        if self._session is not None and self._session.alive and self._bounds.get("copies") is True:
            # Now rather than before the next cell, which then does not wait for it.
            self._session.leave_copy()

    def _move_marks(self, collection: Collection) -> list[str]:
        """Remembers the current files for comparison after the next cell. Returns the names of files that are gone."""
        before = self._inputs.marks
        self._inputs.marks = collection.settle() if collection.whole else {**before, **collection.settle()}
        return [name for name in before if name not in self._inputs.marks]

    def _send_files(self, collection: Collection) -> None:
        for found, fd in collection.files():
            head = {"name": found.name, "change": found.change, "size": found.size}
            self._outbox.put(protocol.encode(protocol.FILE, head))
            left = found.size
            for chunk in collection.chunks(found, fd):
                left -= len(chunk)
                self._outbox.put(protocol.header(protocol.CHUNK, len(chunk)))
                self._outbox.put(chunk)
                while self._outbox.full and collection.wait_s() > 0:
                    self._poll([], collection.wait_s())
            self._outbox.put(protocol.encode(protocol.FILE_END, {"complete": left == 0}))

    def _close(self) -> NoReturn:
        """Ends the sandbox: the kernel kills all other processes with the first one."""
        os._exit(0)
