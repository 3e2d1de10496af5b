"""Cells of one process, the files between them, and the end of a session."""

from __future__ import annotations

import pytest

from runner.wire import protocol
from sandbox_driver import BOUNDS, Session


def test_cells_share_variables_and_have_separate_counts() -> None:
    with Session() as session:
        first = session.cell("x = 1; print('one')")
        second = session.cell("x += 1; print(x)")
    assert (first.stdout, second.stdout) == ("one\n", "2\n")
    assert [result.done["stdout_bytes"] for result in (first, second)] == [4, 2]
    assert all(result.done["end"] == "ok" and result.done["session_alive"] is True for result in (first, second))


@pytest.mark.parametrize(
    ("code", "end", "exit_code"),
    [("1/0", "exception", 1), ("import sys; sys.exit(3)", "exit", 3), ("exit()", "ok", 0), ("raise KeyboardInterrupt", "exception", 130)],
)
def test_the_end_of_a_cell_does_not_end_the_session(code: str, end: str, exit_code: int) -> None:
    with Session() as session:
        done = session.cell(code).done
        assert (done["end"], done["exit_code"], done["session_alive"]) == (end, exit_code, True)
        assert session.cell("print('on')").stdout == "on\n"


@pytest.mark.parametrize(
    ("code", "end", "signal"),
    [
        ("import os; os._exit(0)", "ok", None),
        ("import os; os.abort()", "signal", "SIGABRT"),
        ("import os; os.execv('/bin/true', ['true'])", "ok", None),
    ],
)
def test_the_end_of_the_process_ends_the_session(code: str, end: str, signal: str | None) -> None:
    with Session() as session:
        done = session.cell(code).done
        assert (done["end"], done["signal"], done["session_alive"]) == (end, signal, False)


def test_the_time_limit_and_a_cancel_interrupt_first() -> None:
    with Session() as session:
        session.cell("x = 1")
        timed = session.cell("while True: pass", timeout_ms=300).done
        assert (timed["end"], timed["session_alive"]) == ("timeout", True)
        session.send("run", {**BOUNDS, "session": True}, b"print('here', flush=True)\nwhile True: pass")
        session.read_until("stdout")
        session.send("interrupt")
        done = session.read_until("done")[-1].head
        assert (done["end"], done["session_alive"]) == ("interrupted", True)
        assert session.cell("print(x)").stdout == "1\n"


def test_an_interrupt_sent_with_its_cell_reaches_it() -> None:
    with Session() as session:
        session.cell("x = 1")
        for _ in range(20):
            session.send("run", {**BOUNDS, "session": True}, b"while True: pass")
            session.send("interrupt")
            done = session.result().done
            assert (done["end"], done["session_alive"]) == ("interrupted", True)
        assert session.cell("print(x)").stdout == "1\n"


def test_an_interrupt_between_two_cells_reaches_neither() -> None:
    with Session() as session:
        session.cell("x = 1")
        session.send("interrupt")
        assert session.cell("print(x)").done["end"] == "ok"


def test_a_cell_that_does_not_yield_ends_the_session() -> None:
    with Session() as session:
        done = session.cell("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", timeout_ms=300).done
        assert (done["end"], done["session_alive"]) == ("timeout", False)


def test_a_flood_of_output_ends_only_the_cell() -> None:
    with Session() as session:
        flood = session.cell("while True: print('x' * 1000)", output_stop_bytes=2 << 20, stdout_kept_bytes=1000)
        assert (flood.done["end"], flood.done["session_alive"], len(flood.stdout)) == ("output", True, 1000)
        assert session.cell("print('on')").stdout == "on\n"


def test_each_cell_has_its_own_standard_input() -> None:
    with Session() as session:
        assert session.cell("print(input())", b"one\ntwo\n").stdout == "one\n"
        assert session.cell("print(repr(__import__('sys').stdin.read()))").stdout == "''\n"
        assert session.cell("print(len(__import__('sys').stdin.read()))", b"z" * 300_000).stdout == "300000\n"


def test_the_environment_of_a_cell_is_not_seen_by_the_next() -> None:
    show = "import os; print(os.environ.get('TOKEN'), os.environ.get('LANG'), os.environ.get('KEPT'))"
    with Session() as session:
        env = {"TOKEN": "secret", "LANG": "de_DE.UTF-8"}
        assert session.cell(show + "; os.environ['KEPT'] = 'by the code'", env=env).stdout == "secret de_DE.UTF-8 None\n"
        assert session.cell(show).stdout == "None C.UTF-8 by the code\n"
        session.cell("1 / 0", env=env)
        assert session.cell(show).stdout == "None C.UTF-8 by the code\n"


def test_a_cell_of_a_megabyte_arrives_whole() -> None:
    with Session() as session:
        assert session.cell(f"x = {'1' * 4000}\n" + "#" * 1_000_000 + "\nprint('whole')").stdout == "whole\n"


def test_files_are_compared_with_those_after_the_previous_cell() -> None:
    with Session() as session:
        session.send_file("in.txt", b"in")
        assert session.cell("for n in 'ab': open(n, 'w').write(n)").changes == {"a": "created", "b": "created"}
        second = session.cell("import os\nopen('a', 'w').write('A'); os.remove('b'); os.remove('in.txt')")
        assert second.changes == {"a": "modified"}
        assert sorted(second.done["removed_files"]) == ["b", "in.txt"]
        third = session.cell("pass")
        assert (third.changes, third.done["removed_files"]) == ({}, [])


def test_a_write_of_the_same_length_at_the_same_time_is_noticed() -> None:
    with Session() as session:
        session.cell("open('a', 'w').write('1')")
        for number in (2, 3, 4):
            assert session.cell(f"open('a', 'w').write('{number}')").files == {"a": str(number).encode()}


def test_files_are_replaced_and_removed_between_cells() -> None:
    with Session() as session:
        session.cell("import os; os.symlink('/etc/passwd', 'a'); os.mkdir('d')")
        session.send_file("a", b"new")
        session.send_file("d", b"in the way")
        session.send("file", {"name": "half"})
        session.send("chunk", None, b"never whole")
        session.send("file_end", {"complete": False})
        session.send("remove", {"name": "never/there"})
        result = session.cell("print(open('a').read(), os.path.islink('a'), sorted(os.listdir('.')))")
        assert result.stdout == "new False ['a', 'd']\n"
        assert list(result.reasons) == ["d"]
        session.send("remove", {"name": "a"})
        assert session.cell("print(os.listdir('.'))").stdout == "['d']\n"


def test_the_sandbox_ends_when_its_process_dies_between_cells() -> None:
    with Session() as session:
        session.cell("import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), os._exit(1))).start()")
        assert session.read() is None


@pytest.mark.parametrize("first", [{"session": True}, {}])
def test_a_sandbox_cannot_switch_between_run_and_session(first: dict[str, bool]) -> None:
    with Session() as session:
        session.send("run", {**BOUNDS, **first}, b"import time; time.sleep(0.3)")
        session.send("run", {**BOUNDS, "session": True}, b"1")
        while (frame := session.read()) is not None:
            assert frame.kind != "done" or first == {}
        assert session.process.wait(10) != 0


def test_a_forged_end_counts_only_for_its_own_cell() -> None:
    forge = (
        "import os, struct\nfor head in (b'{\"cell\": 7}', b'{}'): os.write(3, struct.pack('>BII', %d, len(head), 0) + head)\nprint('on')"
    )
    with Session() as session:
        assert session.cell(forge % protocol.CELL_END).stdout == "on\n"
