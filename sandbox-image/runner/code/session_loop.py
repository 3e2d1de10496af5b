"""The loop of a session's process: runs each cell that the supervisor sends."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

from runner.code import stream_order
from runner.code.cell import EXIT_INTERRUPTED, run_cell
from runner.code.child import CHANNEL_FD, EX_SOFTWARE, apply_request, become_python, open_tools, restore_environment
from runner.code.finalization import end_program, finalize, flush_open_files
from runner.code.session_copy import SESSION_OOM_SCORE, leave_copy
from runner.wire import jsontext, protocol
from runner.wire.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

CELLS_FD = 4
READ_BYTES = 64 * 1024
# Standard input, and the tools socket of a cell with tools. Or the socket of a copy.
_RIGHTS_MAX = 2
_KINDS = frozenset((protocol.IN_RUN, protocol.COPY))


def serve_cells(descriptors: tuple[int, int, int, int, int]) -> NoReturn:
    """
    Runs cells in this freshly forked process until the supervisor closes. `descriptors` become standard input, output, error,
    the result channel and the socket of the cells. All others are closed.
    """
    try:
        become_python(descriptors, SESSION_OOM_SCORE)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        channel = Channel(CHANNEL_FD)
        stream_order.keep(channel)
        cells = _socket.socket(fileno=CELLS_FD)
        owner = os.getpid()
        while (received := _receive(cells)) is not None:
            cell, rights = received
            if cell.kind == protocol.COPY:
                if leave_copy(rights[0]):
                    # This is the copy, and a later cell has cost the process its life.
                    owner = os.getpid()
                    channel.take_over()
                    stream_order.take_over()
                continue
            _take_stdin(rights.pop(0))
            code = _run(cell, channel, rights[0] if rights else -1)
            if os.getpid() != owner:
                # The code forked, and this is the fork: its program ends here.
                finalize(end_program(code))
            channel.send(protocol.CELL_END, jsontext.spell({"cell": cell.head.get("cell"), "exit_code": code}))
    except BaseException as error:
        # An error of ours: run_cell handles what the code raises.
        os.write(2, f"the session failed: {type(error).__name__}: {error}\n".encode("utf-8", "replace")[:4096])
        os._exit(EX_SOFTWARE)
    os._exit(0)


def _run(cell: protocol.Frame, channel: Channel, tools_fd: int) -> int:
    """Runs one cell. An interrupt may arrive during the cell, and never between two cells."""
    code = EXIT_INTERRUPTED
    bounds = cell.head
    before = apply_request(bounds)
    tools = open_tools(bounds, tools_fd)
    if stream_order.current is not None:
        stream_order.current.begin()
    try:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        channel.send(protocol.CELL_BEGIN, jsontext.spell({"cell": bounds.get("cell")}))
        code = run_cell(bytes(cell.body).decode("utf-8", "replace"), channel, bounds, tools)
        # Files may stay open for the next cell. Flush them, so that their content so far is collected.
        flush_open_files(shared_heap=True)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    except KeyboardInterrupt:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    if tools is not None:
        tools.end()
    restore_environment(before)
    return code


def _receive(cells: _socket.socket) -> tuple[protocol.Frame, list[int]] | None:
    """
    Waits for the next cell, or for the request to leave a copy. Returns it with its descriptors. None when the supervisor has closed.
    """
    descriptors: list[int] = []
    parser = protocol.FrameParser(_KINDS, protocol.IN_HEAD_BYTES_MAX, protocol.IN_BODY_BYTES_MAX)
    while True:
        data, ancillary, _flags, _address = cells.recvmsg(READ_BYTES, _socket.CMSG_SPACE(_RIGHTS_MAX * 4), _socket.MSG_CMSG_CLOEXEC)
        for _level, _type, rights in ancillary:
            descriptors.extend(memoryview(rights).cast("i"))
        if not data:
            return None
        for frame in parser.push(data):
            return frame, descriptors


def _take_stdin(fd: int) -> None:
    os.dup2(fd, 0)
    os.close(fd)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
