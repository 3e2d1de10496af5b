"""The copy of a session's process, which becomes the session when a cell costs the process its life."""

from __future__ import annotations

import time

import pytest

from sandbox_driver import BOUNDS, Result, Session

KILLED = "import os; os._exit(7)"


class SessionWithCopies(Session):
    def cell(self, code: str, stdin: bytes = b"", **bounds: object) -> Result:
        return super().cell(code, stdin, copies=True, restore_ms=2000, **bounds)


def restored(result: Result) -> bool:
    assert result.done["session_alive"] == result.done["restored"], result.done
    return bool(result.done["restored"])


@pytest.mark.parametrize(
    ("code", "end", "exit_code", "signal"),
    [
        (KILLED, "exit", 7, None),
        ("import os; os.abort()", "signal", None, "SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "signal", None, "SIGSEGV"),
        ("import os; os.execv('/bin/true', ['true'])", "ok", 0, None),
        ("import os; os.kill(os.getpid(), 9)", "signal", None, "SIGKILL"),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", "timeout", None, "SIGKILL"),
    ],
)
def test_a_killed_cell_costs_only_the_cell(code: str, end: str, exit_code: int | None, signal: str | None) -> None:
    with SessionWithCopies() as session:
        session.cell("x = [1]")
        killed = session.cell(f"x.append(2); open('kept.txt', 'w').write('k'); print('out', flush=True)\n{code}", timeout_ms=1000)
        assert restored(killed)
        assert (killed.done["end"], killed.done["exit_code"], killed.done["signal"]) == (end, exit_code, signal)
        assert (killed.stdout, killed.files) == ("out\n", {"kept.txt": b"k"})
        after = session.cell("import os; print(x, os.listdir('.'))")
        assert (after.stdout, after.done["session_alive"], "restored" in after.done) == ("[1] ['kept.txt']\n", True, False)


def test_a_session_survives_one_killed_cell_after_the_other() -> None:
    with SessionWithCopies() as session:
        session.cell("x = 0")
        for count in range(1, 6):
            assert session.cell("x += 1; print(x)").stdout == f"{count}\n"
            assert restored(session.cell("x = 'lost'\n" + KILLED))


def test_the_first_cell_has_no_copy() -> None:
    with SessionWithCopies() as session:
        assert not restored(session.cell(KILLED))
        assert session.read() is None


def test_without_copies_a_killed_cell_ends_the_session() -> None:
    with Session() as session:
        session.cell("x = 1")
        assert session.cell(KILLED).done["session_alive"] is False


@pytest.mark.parametrize(
    ("before", "during", "after", "printed"),
    [
        pytest.param(
            "f = open('in.txt', 'w+'); f.write('abcdef'); f.flush(); f.seek(0); f.read(2)",
            "f.seek(5)",
            "print(f.read())",
            "cdef",
            id="position of a file",
        ),
        pytest.param(
            "import threading; a = threading.Lock(); b = threading.RLock(); a.acquire(); b.acquire()",
            "a.release()",
            "print(a.locked()); a.release(); b.release(); print(a.acquire(timeout=1), b.acquire(timeout=1))",
            "True\nTrue True",
            id="locks",
        ),
        pytest.param(
            "import atexit; atexit.register(lambda: open('ended', 'w').close())",
            "atexit.register(print, 'never')",
            "import os; print(os.path.exists('ended'), atexit._ncallbacks())",
            "False 1",
            id="exit handlers",
        ),
        pytest.param(
            "import random; random.seed(1); r = random.Random(1); [r.random() for _ in range(3)]; [random.random() for _ in range(3)]",
            "[random.random() for _ in range(9)]",
            "print(r.random() == random.random())",
            "True",
            id="random",
        ),
        pytest.param(
            "import numpy as np; np.random.seed(1); g = np.random.default_rng(2); np.random.rand(3); g.random(3)",
            "np.random.rand(9); g.random(9)",
            "s = np.random.RandomState(1); s.rand(3); h = np.random.default_rng(2); h.random(3)\n"
            "print(np.random.rand() == s.rand(), g.random() == h.random())",
            "True True",
            id="random of numpy",
        ),
        pytest.param(
            "import asyncio\nawait asyncio.sleep(0)\nq = asyncio.Queue(); q.put_nowait(1)",
            "await asyncio.sleep(0)\nl = asyncio.get_running_loop(); l._selector.unregister(l._ssock)",
            "import asyncio\nloop = asyncio.get_running_loop(); loop.call_later(0.05, q.put_nowait, 2)\n"
            "import threading; threading.Thread(target=lambda: loop.call_soon_threadsafe(q.put_nowait, 3)).start()\n"
            "print(await q.get(), await q.get(), await q.get())\n"
            "p = await asyncio.create_subprocess_exec('echo', 'sub', stdout=-1); print((await p.communicate())[0])",
            "1 3 2\nb'sub\\n'",
            id="event loop",
        ),
        pytest.param(
            "import numpy as np\nfrom threadpoolctl import threadpool_limits\nthreadpool_limits(2)\nm = np.ones((600, 600)); m @ m",
            "m @ m",
            "print((m @ m)[0, 0])",
            "600.0",
            id="threads of OpenBLAS",
        ),
        pytest.param(
            "import sqlite3; c = sqlite3.connect('a.db'); c.execute('create table t(x)'); c.execute('insert into t values (1)'); c.commit()",
            "c.execute('insert into t values (2)'); c.commit(); c.execute('insert into t values (3)')",
            "c.execute('insert into t values (4)'); c.commit(); print(c.execute('select x from t order by x').fetchall())",
            "[(1,), (2,), (4,)]",
            id="sqlite",
        ),
        pytest.param(
            "import os; saved = os.dup(1); f = os.fdopen(saved, 'w')",
            "os.write(saved, b'')",
            "print('a', file=f, flush=True); print('b')",
            "a\nb",
            id="duplicate of standard output",
        ),
        pytest.param(
            "import threading, time; t = threading.Thread(target=time.sleep, args=(60,), daemon=True); t.start()",
            "assert t.is_alive()",
            "print(t.is_alive(), threading.active_count(), threading.current_thread() is threading.main_thread())",
            "False 1 True",
            id="threads",
        ),
        pytest.param(
            "import subprocess; p = subprocess.Popen(['sleep', '60'])",
            "assert p.poll() is None; q = subprocess.Popen(['sleep', '61'])",
            "import glob; print(sorted(open(f).read().split('\\0')[0] for f in glob.glob('/proc/[0-9]*/cmdline') if 'sleep' in open(f).read()))",
            "[]",
            id="other processes",
        ),
        pytest.param(
            "import os", "import os", "try: os.wait()\nexcept ChildProcessError: print('none')", "none", id="no child of the code"
        ),
        pytest.param(
            "import os; os.register_at_fork(before=lambda: print('fork'))", "pass", "print('quiet')", "quiet", id="handlers of forks"
        ),
    ],
)
def test_the_copy_has_the_state_before_the_cell(before: str, during: str, after: str, printed: str) -> None:
    with SessionWithCopies() as session:
        assert session.cell(before).done["end"] == "ok"
        killed = session.cell(f"{during}\nimport os; os._exit(7)")
        assert restored(killed), killed.stderr
        result = session.cell(after)
        assert (result.stdout, result.done["end"]) == (printed + "\n", "ok"), result.stderr


def test_code_that_waits_for_its_children_does_not_meet_the_copy() -> None:
    with SessionWithCopies() as session:
        session.cell("import os")
        assert session.cell("try: os.wait()\nexcept ChildProcessError: print('none')").stdout == "none\n"


def test_the_environment_of_the_killed_cell_is_gone() -> None:
    with SessionWithCopies() as session:
        session.cell("x = 1")
        assert restored(session.cell(KILLED, env={"TOKEN": "secret"}))
        assert session.cell("import os; print(os.environ.get('TOKEN'))").stdout == "None\n"


def test_a_cell_that_closes_all_descriptors_is_undone() -> None:
    with SessionWithCopies() as session:
        session.cell("x = 1")
        assert restored(session.cell("import os; os.closerange(0, 100)"))
        assert session.cell("print(x)").stdout == "1\n"


def test_an_interrupt_that_is_not_obeyed_is_undone_too() -> None:
    with SessionWithCopies() as session:
        session.cell("import signal; x = 1")
        head = {**BOUNDS, "session": True, "copies": True, "restore_ms": 2000}
        session.send("run", head, b"signal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\nwhile True: pass")
        session.read_until("stdout")
        session.send("interrupt")
        done = session.read_until("done")[-1].head
        assert (done["end"], done["restored"]) == ("interrupted", True)
        assert session.cell("print(x)").stdout == "1\n"


# What code may do to its copy. The copy is a process of the sandbox, found by its score for the kernel's choice.
FIND = (
    "import os, signal, time\n"
    "def others():\n"
    "  while True:\n"
    "    found = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]\n"
    "    if found: return found\n"
)


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param("[os.kill(p, 9) for p in others()]", id="kills it"),
        pytest.param("[os.kill(p, signal.SIGSTOP) for p in others()]", id="stops it"),
        pytest.param("[os.kill(p, n) for p in others() for n in (2, 15, 10, 12, 24)]", id="sends it signals"),
        pytest.param("b = [os.fork() for _ in range(5)]", id="leaves forks behind"),
        pytest.param(
            "import resource; [resource.prlimit(p, resource.RLIMIT_NOFILE, (0, 0)) for p in others()]", id="takes its descriptors"
        ),
        pytest.param("open(f'/proc/{others()[0]}/oom_score_adj', 'w').write('1000')", id="changes its score"),
    ],
)
def test_code_that_harms_its_copy_loses_at_most_its_session(attack: str) -> None:
    with SessionWithCopies() as session:
        session.cell(FIND)
        began = time.monotonic()
        attacked = session.cell(f"{attack}\nif os.getpid(): os.kill(os.getpid(), 9)")
        assert time.monotonic() - began < 15
        if restored(attacked):
            assert session.cell("print(1)").stdout == "1\n"
        else:
            assert session.read() is None


def test_a_process_that_passes_for_the_copy_is_only_another_process_of_the_sandbox() -> None:
    """Its socket is found among the descriptors of the process while it makes the copy, here by replacing what makes it."""
    steal = (
        "import os, sys, socket\n"
        "import runner.code.session_loop as loop\n"
        "def leave(fd):\n"
        "  if os.fork() == 0:\n"
        "    s = socket.socket(fileno=fd); s.send(b'ready1'); s.recv(16); s.send(b'awake'); import time; time.sleep(100)\n"
        "  os.close(fd); return False\n"
        "loop.leave_copy = leave"
    )
    with SessionWithCopies() as session:
        session.cell(steal)
        result = session.cell(KILLED)
        if restored(result):
            # The impostor is the session now, and answers nothing.
            session.send("run", {**BOUNDS, "session": True, "timeout_ms": 300}, b"1")
            assert session.result().done["session_alive"] is False


def test_a_copy_costs_no_memory_that_the_cell_needs() -> None:
    """The cell writes anew what the copy still holds. Alone it fits; with the copy's pages it would not."""
    with SessionWithCopies() as session:
        session.cell("limit = 1 << 30; b = bytearray(limit * 35 // 100)")
        result = session.cell("for at in range(0, len(b), 4096): b[at] = 1\nc = bytearray(limit * 40 // 100)\nprint('fits')")
        assert (result.stdout, result.done["end"], result.done["oom_kills"]) == ("fits\n", "ok", 0)
        assert session.cell("print(len(c) > 0)").stdout == "True\n"


def test_a_cell_that_needs_too_much_memory_is_undone() -> None:
    with SessionWithCopies() as session:
        session.cell("x = 1")
        result = session.cell("b = bytearray(3 << 30)")
        assert restored(result)
        assert result.done["oom_kills"] > 0
        assert session.cell("print(x)").stdout == "1\n"
