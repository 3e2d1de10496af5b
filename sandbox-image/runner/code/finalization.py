"""The end of a program: what python3 does after the last line, so that nothing that the code wrote is lost.

`end_program` waits for threads and runs exit handlers, which belong to the program and to its time limit. `finalize`
then does the interpreter's own part. It takes a few tenths of a millisecond where a full finalization of CPython takes
five, and eighty with the scientific stack loaded.
"""

from __future__ import annotations

import _ctypes
import _io
import atexit
import builtins
import faulthandler
import gc
import os
import sys
from stat import S_ISREG

from runner.code import cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

# Writers before what they write to.
_WRITERS: tuple[type, ...] = (_io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom)
# Other objects that hold back what was written, by module and class, with the method that writes it.
_LIBRARY_WRITERS = (("gzip", "GzipFile", "flush"), ("h5py", "File", "flush"))
# A heap of more objects is searched for open files only where a file is open: that look costs more than a small search.
_SMALL_HEAP = 20_000
# Modules from elsewhere are the program's own.
_INSTALLED = ("/usr/", "/opt/")
_FD_FOLDER = "/proc/self/fd"


def end_program(code: int) -> int:
    """Cancels tasks, waits for threads and runs exit handlers, as python3 does after the last line. Returns the exit code."""
    try:
        cell.end_session()
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    flush_standard_streams()
    return code


def finalize(code: int) -> NoReturn:
    """
    Ends this process as python3 would: open files are written, the program's globals are cleared, which runs its finalizers,
    and the C library runs its own exit handlers. An error in any of these changes neither the result nor the exit code.
    """
    try:
        # A crash from here on is not one of the program, and is not reported as one.
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
            # The code may have closed or replaced it, or be inside a write of its own.
            pass


def flush_open_files() -> None:
    """
    Writes out what open files hold back. Only regular files: a pipe or a socket may never take it.

    Finalizers alone are not enough: in a reference cycle the file below may be closed before the text above it is written.
    """
    objects = gc.get_objects()
    if len(objects) > _SMALL_HEAP and not _has_open_files():
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
        # Closed already, or broken by the code; the next one may not be.
        pass


def _has_open_files() -> bool:
    """Returns whether a descriptor of this process is a regular file."""
    try:
        for name in os.listdir(_FD_FOLDER):
            try:
                if S_ISREG(os.fstat(int(name)).st_mode):
                    return True
            except OSError:
                # That of the listing itself.
                continue
    except OSError:
        # The code may have used up all descriptors.
        return True
    return False


def _clear_globals() -> None:
    """Clears the program's modules in CPython's order: names with one underscore, then the others."""
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
    """For a program whose daemon threads run on: only CPython itself can stop them before their globals go."""
    import ctypes

    ctypes.pythonapi.Py_Exit(code)
    raise AssertionError("Py_Exit returned")


def _call_c(name: str, *arguments: int) -> None:
    """`ctypes` itself costs four milliseconds to import; its C half does not."""
    _ctypes.call_cdeclfunction(_ctypes.dlsym(_ctypes.dlopen(None, 0), name), arguments)  # type: ignore[arg-type]
