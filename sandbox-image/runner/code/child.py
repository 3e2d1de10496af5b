"""What the forked process does before and after a cell: becomes an ordinary Python program, runs, ends like one."""

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

from runner.code import matplotlib_home
from runner.code.cell import EXIT_INTERRUPTED, run_cell
from runner.code.finalization import end_program, finalize, flush_standard_streams
from runner.wire import jsontext, protocol
from runner.wire.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

WORKING_FOLDER = "/mnt/data"
CHANNEL_FD = 3
# The supervisor has a dozen descriptors; those of the code are put out of their way first.
_DESCRIPTORS_MAX = 128
# What sysexits.h calls a mistake of the program itself; here, of ours.
EX_SOFTWARE = 70
# The supervisor wins the processor whenever both want it.
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


def run_as_child(descriptors: tuple[int, int, int, int]) -> NoReturn:
    """
    Runs what the supervisor sends in this freshly forked process and ends it with the exit code of Python. `descriptors` become
    standard input, output, error and the result channel; every other one is closed.
    """
    try:
        become_python(descriptors)
        source, bounds = _receive_run()
        take_requested(bounds)
        channel = Channel(CHANNEL_FD)
        code = end_program(run_cell(source, channel, bounds))
        channel.announce(protocol.CELL_END, jsontext.spell({"exit_code": code}))
    except KeyboardInterrupt:
        # It came before the code began.
        os._exit(EXIT_INTERRUPTED)
    except BaseException as error:
        # Only our own mistakes come here: run_cell answers for what the code raises.
        os.write(2, f"the code could not be started: {type(error).__name__}: {error}\n".encode("utf-8", "replace")[:4096])
        os._exit(EX_SOFTWARE)
    finalize(code)


def become_python(descriptors: tuple[int, ...]) -> None:
    """Makes of a fork of the supervisor what code finds when Python runs it: descriptors, environment, streams, interpreter."""
    _take_descriptors(descriptors)
    _leave_supervisor()
    _set_environment()
    _open_streams()
    _set_interpreter()


def take_requested(bounds: Mapping[str, Any]) -> None:
    """Arguments and variables that come with the code."""
    sys.argv[1:] = bounds.get("args", [])
    os.environ.update(bounds.get("env", {}))


def _receive_run() -> tuple[str, dict[str, Any]]:
    """One run frame from the result channel; nothing follows it there but answers to what the code sends."""
    _kind, head_bytes, body_bytes = protocol.HEADER.unpack(_read(protocol.HEADER.size))
    bounds = jsontext.parse_object(_read(head_bytes))
    return _read(body_bytes).decode("utf-8", "replace"), bounds


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(CHANNEL_FD, count - len(data))
        if not part:
            # Nobody is left to run anything for.
            os._exit(0)
        data += part
    return data


def set_dumpable(dumpable: bool) -> None:
    """
    Opens or closes /proc/<pid>/*, ptrace and core files of this process to others of its uid.

    `ctypes` itself costs four milliseconds to import; its C half does not.
    """
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
    if _ctypes.call_cdeclfunction(prctl, (_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def widen_pipe(fd: int, size: int) -> None:
    """Lets a pipe hold `size` bytes; what is no pipe, or may not hold as much, stays as it is."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
    except OSError:
        pass


def _take_descriptors(descriptors: tuple[int, ...]) -> None:
    out_of_the_way = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTORS_MAX // 2) for fd in descriptors]
    for place, fd in enumerate(out_of_the_way):
        os.dup2(fd, place, inheritable=place < CHANNEL_FD)
    os.closerange(len(descriptors), _DESCRIPTORS_MAX)


def _leave_supervisor() -> None:
    os.setsid()
    os.nice(NICENESS)
    set_dumpable(True)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        # Some kernels do not have it; the kernel's choice is then by size alone, which is the code's as a rule.
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
    Opens the three streams like `python3` does, but line by line also on a pipe.

    A program that is killed at its limit must not lose what it printed. Unbuffered streams would save unfinished
    lines too, but tear the lines of concurrent threads and processes; those few the supervisor asks for by signal.
    """
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115


def _end_on_signal(_number: int, _frame: object) -> None:
    """The supervisor sends this just before it kills, for the sake of an unfinished last line; it need not wait any longer then."""
    flush_standard_streams()
    os.kill(os.getpid(), _signal.SIGKILL)


def _set_interpreter() -> None:
    sys.argv = ["<cell>"]
    sys.path.insert(0, "")
    # `site`, which the supervisor starts without, would have made these.
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    # Where the interpreter itself crashes, this says at which line of the code.
    faulthandler.enable(2)
    gc.enable()
    _reseed_numpy()


def _reseed_numpy() -> None:
    """Gives a preloaded numpy a state of its own: fork copies it, and Python reseeds only its own `random`."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
