"""Ends a program as python3 does after its last line, so that nothing that the code wrote is lost.

`end_program` waits for threads and runs exit handlers; both count against the program's time limit. `finalize` then does
the interpreter's part in a few tenths of a millisecond. CPython's full finalization takes 5 ms, and 80 ms with the
scientific stack loaded.
"""

from __future__ import annotations

import _ctypes
import _io
import atexit
import builtins
import faulthandler
import fcntl
import gc
import os
import sys
from stat import S_ISREG

from runner.code import cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

# Text writers come before the binary writers below them.
_WRITERS: tuple[type, ...] = (_io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom)
# Other buffered writers: module, class, and the method that flushes them.
_LIBRARY_WRITERS = (("gzip", "GzipFile", "flush"), ("h5py", "File", "flush"))
# A heap with more objects is searched only if a regular file is open for writing. For a smaller one this check costs more than it saves.
_SMALL_HEAP = 20_000
# Modules in other folders belong to the program.
_INSTALLED = ("/usr/", "/opt/")
_FD_FOLDER = "/proc/self/fd"


def end_program(code: int) -> int:
    """Cancels tasks, waits for threads and runs exit handlers, as python3 does after the last line. Returns the exit code."""
    for step in (cell.end_session, _wait_for_threads, atexit._run_exitfuncs):
        # A step that fails, as when a cancelled task exits, does not skip the next.
        try:
            step()
        except SystemExit:
            pass
        except BaseException:
            sys.excepthook(*sys.exc_info())
    flush_standard_streams()
    return code


def _wait_for_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()


def finalize(code: int) -> NoReturn:
    """
    Ends this process as python3 would: flushes open files, clears the program's globals, which runs its finalizers, and runs the
    C library's exit handlers. Errors here change neither the result nor the exit code.
    """
    try:
        # A crash from here on is not the program's, and is not reported as one.
        faulthandler.disable()
        flush_open_files()
        if len(sys._current_frames()) > 1:
            _finalize_interpreter(code)
        _clear_globals()
        gc.collect()
        flush_standard_streams()
        _call_c("exit", code)
    except BaseException:
        pass
    finally:
        os._exit(code)


def flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            # The code has closed or replaced the stream, or is inside a write.
            pass


def flush_open_files(shared_heap: bool = False) -> None:
    """
    Flushes open files. Regular files only: writing to a pipe or socket may block for ever.

    Finalizers are not enough: in a reference cycle the binary file may be closed before its text layer is flushed. In a `shared_heap`,
    which a copy of this process still has too, a search would copy the pages of all objects.
    """
    if shared_heap and not _has_files_to_write():
        return
    objects = gc.get_objects()
    if len(objects) > _SMALL_HEAP and not _has_files_to_write():
        return
    for writer in _WRITERS:
        for each in objects:
            if issubclass(type(each), writer):
                _flush(each, writer.flush)  # type: ignore[attr-defined]
    for module_name, class_name, method in _LIBRARY_WRITERS:
        library = sys.modules.get(module_name)
        library_writer = None if library is None else vars(library).get(class_name)
        if isinstance(library_writer, type):
            for each in objects:
                if type(each) is library_writer:
                    _flush(each, getattr(library_writer, method))
    objects.clear()


def _flush(writer: Any, flush: Any) -> None:
    try:
        if not issubclass(type(writer), _io._IOBase) or S_ISREG(os.fstat(writer.fileno()).st_mode):
            flush(writer)
    except Exception:
        # Closed already, or broken by the code. Continue with the next file.
        pass


def _has_files_to_write() -> bool:
    """Returns whether this process has a regular file open for writing."""
    try:
        for name in os.listdir(_FD_FOLDER):
            try:
                if S_ISREG(os.fstat(int(name)).st_mode) and fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                    return True
            except OSError:
                # The descriptor of the listing itself.
                continue
    except OSError:
        # The code may have used up all descriptors.
        return True
    return False


def _clear_globals() -> None:
    """Clears the globals of the program's modules in CPython's order: names with one underscore first."""
    builtins.__dict__.pop("_", None)
    for module in _modules_of_program():
        names = module.__dict__
        for private in (True, False):
            for name in list(names):
                if name != "__builtins__" and private is (type(name) is str and name[:1] == "_" and name[1:2] != "_"):
                    names[name] = None


def _modules_of_program() -> list[ModuleType]:
    module_type = type(sys)
    own = []
    for name, module in list(sys.modules.items()):
        if type(module) is module_type and name != "builtins":
            file = module.__dict__.get("__file__")
            if name == "__main__" or (type(file) is str and not file.startswith(_INSTALLED)):
                own.append(module)
    return own


def _finalize_interpreter(code: int) -> NoReturn:
    """For a program with running daemon threads: only CPython can stop them before their globals are cleared."""
    import ctypes

    ctypes.pythonapi.Py_Exit(code)
    raise AssertionError("Py_Exit returned")


def _call_c(name: str, *arguments: int) -> None:
    """Calls a function of the C library. Importing `ctypes` takes 4 ms; its C half does not."""
    _ctypes.call_cdeclfunction(_ctypes.dlsym(_ctypes.dlopen(None, 0), name), arguments)  # type: ignore[arg-type]
