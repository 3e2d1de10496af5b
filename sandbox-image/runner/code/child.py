"""What the code process does before and after a cell: it becomes an ordinary Python program, and ends like one."""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]
import _sitebuiltins
import builtins
import faulthandler
import fcntl
import gc
import os
import sys

from runner.code import matplotlib_home, stream_order
from runner.code.cell import EXIT_INTERRUPTED, run_cell
from runner.code.finalization import end_program, finalize, flush_standard_streams
from runner.wire import jsontext, protocol
from runner.wire.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from runner.tools.functions import CellTools

WORKING_FOLDER = "/mnt/data"
CHANNEL_FD = 3
# Only in a run with tools that has its own sandbox.
TOOLS_FD = 4
# The supervisor has about twelve descriptors. Those of the code are moved out of their range first.
_DESCRIPTORS_MAX = 128
# sysexits.h: an internal software error, here one of ours.
EX_SOFTWARE = 70
# Of all processes of a sandbox, the kernel kills the code first when memory runs out.
OOM_SCORE = 1000
# The supervisor gets the processor first.
NICENESS = 5
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PWD": WORKING_FOLDER,
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLCONFIGDIR": matplotlib_home.FOLDER,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
_PR_SET_DUMPABLE = 4


def run_as_child(descriptors: tuple[int, ...]) -> NoReturn:
    """
    Runs one program in this freshly forked process, and ends it with Python's exit code. `descriptors` become standard input,
    output, error, the result channel and, for a run with tools, the tools socket. All others are closed.
    """
    try:
        become_python(descriptors)
        source, bounds = _receive_run()
        apply_request(bounds)
        channel = Channel(CHANNEL_FD)
        stream_order.keep(channel)
        code = end_program(run_cell(source, channel, bounds, open_tools(bounds, TOOLS_FD)))
        channel.announce(protocol.CELL_END, jsontext.spell({"exit_code": code}))
    except KeyboardInterrupt:
        # Interrupted before the code began.
        os._exit(EXIT_INTERRUPTED)
    except BaseException as error:
        # An error of ours: run_cell handles what the code raises.
        os.write(2, f"the code could not be started: {type(error).__name__}: {error}\n".encode("utf-8", "replace")[:4096])
        os._exit(EX_SOFTWARE)
    finalize(code)


def become_python(descriptors: tuple[int, ...], oom_score: int = OOM_SCORE) -> None:
    """Turns a fork of the supervisor into an ordinary Python process: descriptors, environment, streams, interpreter."""
    _take_descriptors(descriptors)
    _leave_supervisor(oom_score)
    _set_environment()
    _open_streams()
    _set_interpreter()


def apply_request(bounds: Mapping[str, Any]) -> dict[str, str | None]:
    """Sets the arguments and environment variables of the request. Returns those variables as they were before."""
    sys.argv[1:] = bounds.get("args", [])
    env = bounds.get("env", {})
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    return before


def restore_environment(before: Mapping[str, str | None]) -> None:
    """Undoes the variables of a request, which may be secrets: the next cell does not see them."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def open_tools(bounds: dict[str, Any], fd: int) -> CellTools | None:
    """Returns the tools of a run that has some. Others import nothing for them."""
    if not bounds.get("tools") and not bounds.get("tool_servers"):
        return None
    from runner.tools.client import ToolClient
    from runner.tools.functions import CellTools

    servers = bounds.get("tool_servers") or []
    return CellTools(bounds["tools"], servers, ToolClient(fd, bounds["tool_calls_open"], bounds["tool_value_bytes"]))


def _receive_run() -> tuple[str, dict[str, Any]]:
    """Reads one run frame from the result channel. Only acknowledgements follow it there."""
    _kind, head_bytes, body_bytes = protocol.HEADER.unpack(_read(protocol.HEADER.size))
    bounds = jsontext.parse_object(_read(head_bytes))
    return _read(body_bytes).decode("utf-8", "replace"), bounds


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(CHANNEL_FD, count - len(data))
        if not part:
            # The supervisor has ended.
            os._exit(0)
        data += part
    return data


def set_dumpable(dumpable: bool) -> None:
    """
    Allows or denies other processes of our user access to /proc/<pid>/*, ptrace and core files of this process.

    Importing `ctypes` takes 4 ms; its C half does not.
    """
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
    if _ctypes.call_cdeclfunction(prctl, (_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def widen_pipe(fd: int, size: int) -> None:
    """Sets the size of a pipe in bytes, if `fd` is a pipe and the kernel allows the size."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
    except OSError:
        pass


def _take_descriptors(descriptors: tuple[int, ...]) -> None:
    out_of_the_way = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTORS_MAX // 2) for fd in descriptors]
    for place, fd in enumerate(out_of_the_way):
        os.dup2(fd, place, inheritable=place < CHANNEL_FD)
    os.closerange(len(descriptors), _DESCRIPTORS_MAX)


def _leave_supervisor(oom_score: int) -> None:
    os.setsid()
    os.nice(NICENESS)
    set_dumpable(True)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(oom_score))
    except OSError:
        # Some kernels lack it. The kernel then chooses by size, which usually means the code.
        pass
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    _signal.signal(_signal.SIGXCPU, _end_on_signal)


def _set_environment() -> None:
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    matplotlib_home.ensure_matplotlib_home()
    os.chdir(WORKING_FOLDER)
    os.umask(0o022)


def _open_streams() -> None:
    """
    Opens the three streams as `python3` does, but line buffered even on a pipe.

    A program that is killed at its limit must not lose what it printed. Unbuffered streams would save unfinished lines too, but
    mix the lines of concurrent threads and processes. The supervisor asks for an unfinished line by signal.
    """
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    errors = open(2, "wb", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = stream_order.ErrorStream(errors, encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[misc]
    sys.stderr.mode = "w"  # type: ignore[misc]


def _end_on_signal(_number: int, _frame: object) -> None:
    """Handles the signal that the supervisor sends before it kills: writes an unfinished line and ends at once."""
    if stream_order.current is not None:
        stream_order.current.end()
    flush_standard_streams()
    os.kill(os.getpid(), _signal.SIGKILL)


def _set_interpreter() -> None:
    sys.argv = ["<cell>"]
    # Last: an uploaded random.py is importable as nothing else, and no module of ours or of a library is looked for there first.
    sys.path.append("")
    # Normally made by `site`, which the supervisor does not import.
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    # Prints the line of the code when the interpreter crashes.
    faulthandler.enable(2)
    gc.enable()
    _reseed_numpy()


def _reseed_numpy() -> None:
    """Reseeds a preloaded numpy. fork copies its random state, and Python reseeds only its own `random`."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
