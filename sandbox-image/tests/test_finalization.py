"""The end of a program: nothing that python3 would write is lost, and failures there do not change the result."""

from __future__ import annotations

import gzip
import io
import textwrap
import time
import zipfile
from typing import Any

import pytest

from sandbox_driver import Result, Session, run


def result_of(code: str, **bounds: Any) -> Result:
    return run(textwrap.dedent(code), **bounds)


UNCLOSED = """
import csv, gzip, json, zipfile
report = open("report.txt", "w")
report.write("hello\\n")
csv.writer(open("rows.csv", "w")).writerows([[1, 2], [3, 4]])
json.dump({"a": 1}, open("x.json", "w"))
g = gzip.open("t.gz", "wt")
g.write("abc")
z = zipfile.ZipFile("z.zip", "w")
z.writestr("a", "b")
class Holder:
    def __init__(self):
        self.file = open("held.bin", "wb")
        self.file.write(b"held")
holder = Holder()
"""


@pytest.mark.parametrize(
    "end", ["", "1 / 0", "import sys; sys.exit(3)", "def f(): pass", "import threading; threading.Thread(target=print).start()"]
)
def test_files_that_code_did_not_close_are_whole(end: str) -> None:
    files = result_of(UNCLOSED + end).files
    assert files["report.txt"] == b"hello\n"
    assert files["rows.csv"] == b"1,2\r\n3,4\r\n"
    assert files["x.json"] == b'{"a": 1}'
    assert gzip.decompress(files["t.gz"]) == b"abc"
    assert zipfile.ZipFile(io.BytesIO(files["z.zip"])).read("a") == b"b"
    assert files["held.bin"] == b"held"


def test_a_file_in_a_reference_cycle_is_whole() -> None:
    code = """
    class Node: pass
    node = Node()
    node.itself = node
    node.file = open("cycle.txt", "w")
    node.file.write("kept")
    del node
    """
    assert result_of(code).files["cycle.txt"] == b"kept"


def test_a_file_of_an_own_module_is_whole() -> None:
    helper = b"log = open('log.txt', 'w')\ndef say(x): log.write(x)\n"
    assert run("import helper\nhelper.say('kept')", files={"helper.py": helper}).files["log.txt"] == b"kept"


def test_h5py_and_sqlite_files_are_whole() -> None:
    code = """
    import h5py, sqlite3
    f = h5py.File("d.h5", "w")
    f["x"] = [1, 2, 3]
    db = sqlite3.connect("d.sqlite")
    db.execute("pragma journal_mode=wal")
    db.execute("create table t(x)")
    db.commit()
    """
    files = result_of(code).files
    assert set(files) == {"d.h5", "d.sqlite"}
    check = """
    import h5py, sqlite3
    print(h5py.File("d.h5")["x"][:], sqlite3.connect("d.sqlite").execute("select count(*) from t").fetchone())
    """
    assert run(textwrap.dedent(check), files=files).stdout == "[1 2 3] (0,)\n"


def test_finalizers_exit_handlers_and_the_c_library_run() -> None:
    code = """
    import atexit, ctypes
    class Kept:
        def __del__(self): print("del called")
    a = Kept()
    b = Kept()
    b.itself = b
    atexit.register(lambda: print("bye"))
    print("end", flush=True)
    ctypes.CDLL(None).printf(b"from C\\n")
    """
    assert result_of(code).stdout == "end\nbye\ndel called\ndel called\nfrom C\n"


def test_pending_tasks_are_cancelled() -> None:
    code = """
    import asyncio
    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            print("cancelled")
    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    """
    result = result_of(code)
    assert result.stdout == "cancelled\n" and result.stderr == ""


def test_daemon_threads_see_no_cleared_globals() -> None:
    code = """
    import threading, time
    state = {"n": 0}
    def work():
        while True:
            state["n"] += 1
            time.sleep(0)
    threading.Thread(target=work, daemon=True).start()
    f = open("f.txt", "w")
    f.write("kept")
    """
    result = result_of(code)
    assert result.done["end"] == "ok" and result.stderr == "" and result.files["f.txt"] == b"kept"


@pytest.mark.parametrize(
    "finalizer",
    [
        "while True: pass",
        "__import__('time').sleep(60)",
        "__import__('ctypes').string_at(0)",
        "__import__('os').abort()",
        "__import__('os')._exit(9)",
    ],
)
def test_a_finalizer_that_hangs_or_crashes_does_not_change_the_result(finalizer: str) -> None:
    code = f"""
    f = open("f.txt", "w")
    f.write("kept")
    class Trap:
        def __del__(self):
            {finalizer}
    trap = Trap()
    print("done")
    """
    began = time.monotonic()
    result = result_of(code)
    assert (result.done["end"], result.done["exit_code"], result.done["signal"]) == ("ok", 0, None)
    assert result.stdout == "done\n" and "Fatal" not in result.stderr and result.files["f.txt"] == b"kept"
    assert time.monotonic() - began < 8


def test_a_finalizer_that_raises_is_reported_as_python_does_and_changes_nothing() -> None:
    result = result_of("class A:\n    def __del__(self): 1 / 0\na = A()\nprint('done')")
    assert result.done["end"] == "ok" and result.stdout == "done\n"
    assert "Exception ignored" in result.stderr and "ZeroDivisionError" in result.stderr


def test_an_exit_code_counts_whatever_finalization_does() -> None:
    result = result_of("class A:\n    def __del__(self): __import__('os').abort()\na = A()\n__import__('sys').exit(3)")
    assert (result.done["end"], result.done["exit_code"], result.done["signal"]) == ("exit", 3, None)


def test_a_program_that_forges_its_end_gets_only_the_finalization_time() -> None:
    code = """
    import json, os, struct, time
    head = json.dumps({"exit_code": 0}).encode()
    os.write(3, struct.pack(">BII", 0x4B, len(head), 0) + head)
    time.sleep(60)
    """
    began = time.monotonic()
    assert result_of(code, timeout_ms=30_000).done["end"] == "ok"
    assert time.monotonic() - began < 8


def test_an_open_file_of_a_session_is_collected_as_far_as_it_is_written() -> None:
    with Session() as session:
        assert session.cell("f = open('report.txt', 'w')\nf.write('one\\n');").files["report.txt"] == b"one\n"
        assert session.cell("f.write('two\\n');").files["report.txt"] == b"one\ntwo\n"
        full_pipe = "import os\nr, w = os.pipe()\np = open(w, 'wb', buffering=1 << 20)\np.write(bytes(1 << 19))\nprint('not stuck')"
        assert session.cell(full_pipe).stdout == "not stuck\n"


@pytest.mark.parametrize("leaves", ["raise SystemExit(3)", "raise KeyboardInterrupt", "1 / 0"])
def test_a_task_that_fails_when_it_is_cancelled_skips_no_exit_handler(leaves: str) -> None:
    code = f"""
    import asyncio, atexit
    atexit.register(lambda: print("bye"))
    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            {leaves}
    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    """
    result = result_of(code)
    assert result.stdout == "bye\n" and result.done["end"] == "ok"
