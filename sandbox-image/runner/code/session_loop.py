"""What the forked process of a session does: runs one cell after another, each as soon as the supervisor sends it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

from runner.code.cell import EXIT_INTERRUPTED, run_cell
from runner.code.child import CHANNEL_FD, EX_SOFTWARE, become_python, take_requested
from runner.code.finalization import end_program, finalize, flush_open_files
from runner.wire import jsontext, protocol
from runner.wire.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

CELLS_FD = 4
READ_BYTES = 64 * 1024


def serve_cells(descriptors: tuple[int, int, int, int, int]) -> NoReturn:
    """
    Runs cells in this freshly forked process until the supervisor closes. `descriptors` become standard input, output,
    error, the result channel and where cells come from; every other one is closed.
    """
    try:
        become_python(descriptors)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        channel = Channel(CHANNEL_FD)
        cells = _socket.socket(fileno=CELLS_FD)
        owner = os.getpid()
        while (cell := _receive(cells)) is not None:
            code = _run(cell, channel)
            if os.getpid() != owner:
                # The code forked, and this is the copy: it ends where the program ends.
                finalize(end_program(code))
            channel.send(protocol.CELL_END, jsontext.spell({"cell": cell.head.get("cell"), "exit_code": code}))
    except BaseException as error:
        # Only our own mistakes come here: run_cell answers for what the code raises.
        os.write(2, f"the session failed: {type(error).__name__}: {error}\n".encode("utf-8", "replace")[:4096])
        os._exit(EX_SOFTWARE)
    os._exit(0)


def _run(cell: protocol.Frame, channel: Channel) -> int:
    """An interrupt can come until the last moment of a cell, and never between two cells."""
    code = EXIT_INTERRUPTED
    bounds = cell.head
    take_requested(bounds)
    try:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        channel.send(protocol.CELL_BEGIN, jsontext.spell({"cell": bounds.get("cell")}))
        code = run_cell(bytes(cell.body).decode("utf-8", "replace"), channel, bounds)
        # A file may stay open for the next cell; what is in it so far is collected now.
        flush_open_files()
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    except KeyboardInterrupt:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    return code


def _receive(cells: _socket.socket) -> protocol.Frame | None:
    """Waits for the next cell and its standard input; None when there is none to come."""
    parser = protocol.FrameParser(frozenset((protocol.IN_RUN,)), protocol.IN_HEAD_BYTES_MAX, protocol.IN_BODY_BYTES_MAX)
    while True:
        data, ancillary, _flags, _address = cells.recvmsg(READ_BYTES, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        for _level, _type, rights in ancillary:
            _take_stdin(int.from_bytes(rights[:4], "little"))
        if not data:
            return None
        for frame in parser.push(data):
            return frame


def _take_stdin(fd: int) -> None:
    os.dup2(fd, 0)
    os.close(fd)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
