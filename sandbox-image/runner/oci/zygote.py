"""A process that has the runner loaded, optionally with the scientific stack, and forks itself into containers.

It receives only file descriptors: the worker's connection, the container's first process, its cgroups. It never sees a name,
path, file or code of an execution.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import array
import gc
import json
import os
import signal
import socket
import sys

from runner.oci.lockdown import Lockdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# In the order of their dependencies. Each may also be preloaded on request.
LOADED = (
    "json", "datetime", "decimal", "numpy", "numpy.random", "numpy.linalg", "numpy.fft", "numpy.ma", "dateutil", "dateutil.parser", "pytz",
    "pandas", "PIL.Image", "PIL.PngImagePlugin", "matplotlib", "matplotlib.font_manager", "matplotlib.backends.backend_agg",
    "matplotlib.pyplot", "openpyxl",
)  # fmt: skip
_SETUP_BYTES_MAX = 1024 * 1024
_DESCRIPTORS_MAX = 32
# sysexits.h: a failure of the operating system.
EX_OSERR = 71
READY, JOINED, ALIVE = b"ready", b"joined", b"alive"


def serve(control: int) -> NoReturn:
    """
    Serves the keeper over `control`, a socket of whole messages. The first message holds the lockdown and whether to load the stack.
    Then each message asks for one fork and carries the descriptors [connection, pidfd of the first process, event that asks for its
    end, cgroup.procs …]. The answer carries the child's pidfd. A message without descriptors asks whether this process is alive.
    """
    keeper = socket.socket(fileno=control)
    keeper.set_inheritable(False)
    lockdown, stack = _read_setup(keeper)
    _load(LOADED if stack else ())
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("a library started threads, and a process with threads cannot be forked safely")
    keeper.send(READY)
    while True:
        fds = _receive_descriptors(keeper)
        if fds is None:
            os._exit(0)
        if not fds:
            keeper.send(ALIVE)
            continue
        pid = os.fork()
        if pid == 0:
            try:
                _become_runner(lockdown, fds)
            except BaseException as error:
                # No code has run yet, so this is an error of ours. It goes to the keeper's log.
                os.write(2, f"runner not started: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
            finally:
                os._exit(EX_OSERR)
        child = os.pidfd_open(pid)
        socket.send_fds(keeper, [JOINED], [child])
        for fd in (child, *fds):
            os.close(fd)


def _read_setup(keeper: socket.socket) -> tuple[Lockdown, bool]:
    message, fds, _, _ = socket.recv_fds(keeper, _SETUP_BYTES_MAX, 1)
    setup = json.loads(message)
    program = os.pread(fds[0], os.fstat(fds[0]).st_size, 0)
    os.close(fds[0])
    return Lockdown(setup["process"], setup["namespaces"], program), setup["stack"]


def _load(modules: tuple[str, ...]) -> None:
    """Imports what executions use, and freezes it, so that garbage collection in a fork skips it."""
    from runner.code import cell, child, hooks, tracebacks  # noqa: F401
    from runner.files import collect, inputs  # noqa: F401
    from runner.oci import immortal, joined_supervisor  # noqa: F401
    from runner.outputs import displays, sanitize  # noqa: F401
    from runner.supervisor import execution, meter, preload, process  # noqa: F401

    missing = [module for module in modules if not preload.preload(module)]
    if missing:
        raise RuntimeError(f"the image lacks {', '.join(missing)}")
    if not modules:
        # Not with the scientific stack: it would take a second and bring no measurable gain.
        immortal.share_objects()
    gc.collect()
    gc.disable()
    gc.freeze()


def _receive_descriptors(keeper: socket.socket) -> list[int] | None:
    """Returns None once the keeper has closed the socket."""
    message, ancillary, _, _ = keeper.recvmsg(64, socket.CMSG_SPACE(_DESCRIPTORS_MAX * 4))
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data)
    return list(fds) if message else None


def _become_runner(lockdown: Lockdown, fds: list[int]) -> NoReturn:
    from runner.oci.joined_supervisor import JoinedSupervisor
    from runner.supervisor.supervisor import serve_as

    connection, init, end, *cgroups = fds
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lockdown.join(init, cgroups)
    answers = os.dup(connection)
    lockdown.drop([connection, init, end, answers])
    # Until here standard error was the keeper's log.
    os.dup2(0, 2)
    os.umask(0o022)
    sys.argv = ["runner"]
    serve_as(JoinedSupervisor(connection, answers, init, end))
