"""What a program writes to stdout and stderr arrives in the order of its writes."""

from __future__ import annotations

import textwrap

import pytest

from sandbox_driver import Result, Session, run


def order_of(result: Result) -> str:
    """Both streams, as the worker joins them: in the order of their frames."""
    return "".join(frame.body.decode() for frame in result.frames if frame.kind in ("stdout", "stderr"))


PROGRAMS = [
    pytest.param(
        """
        import logging, sys, warnings
        print("1"); warnings.warn_explicit("2", UserWarning, "f", 1); print("3"); logging.warning("4"); print("5")
        sys.stderr.write("6\\n"); sys.stdout.write("7\\n")
        """,
        "1\nf:1: UserWarning: 2\n3\nWARNING:root:4\n5\n6\n7\n",
        id="print, warnings, logging",
    ),
    pytest.param(
        "import sys\nfor i in range(200): print(i, file=sys.stderr if i % 2 else sys.stdout)",
        "".join(f"{i}\n" for i in range(200)),
        id="200 alternating lines",
    ),
    pytest.param(
        "import sys\nfor i in range(20): print(i, end=' ', file=sys.stderr if i % 2 else sys.stdout)",
        "".join(f"{i} " for i in range(20)),
        id="unfinished lines",
    ),
    pytest.param(
        "import sys\nfor i in range(20): (sys.stderr if i % 2 else sys.stdout).buffer.raw.write(b'%d ' % i)",
        "".join(f"{i} " for i in range(20)),
        id="raw bytes",
    ),
    pytest.param(
        "import sys\nfor i in range(10): print('o' * 100_000); print('e' * 100_000, file=sys.stderr)",
        ("o" * 100_000 + "\n" + "e" * 100_000 + "\n") * 10,
        id="more than a pipe holds",
    ),
    pytest.param(
        """
        import os, subprocess, sys
        for i in range(5):
            print(i, 'a'); subprocess.run("echo b >&2", shell=True); print('c', file=sys.stderr); os.system("echo d"); print('e', file=sys.stderr)
        """,
        "".join(f"{i} a\nb\nc\nd\ne\n" for i in range(5)),
        id="other programs",
    ),
    pytest.param(
        """
        import os, sys
        for i in range(5):
            print('a')
            if os.fork() == 0:
                os.write(2, b'b\\n'); os._exit(0)
            os.wait(); print('c')
        """,
        "a\nb\nc\n" * 5,
        id="forks",
    ),
    pytest.param(
        "import sys\nclass A:\n    def __del__(self, sys=sys): print('1'); print('2', file=sys.stderr); print('3')\na = A()",
        "1\n2\n3\n",
        id="finalizers",
    ),
]


@pytest.mark.parametrize(("code", "expected"), PROGRAMS)
def test_streams_are_in_order(code: str, expected: str) -> None:
    result = run(textwrap.dedent(code))
    assert result.done["end"] == "ok"
    assert order_of(result) == expected


def test_streams_are_in_order_in_each_cell_of_a_session() -> None:
    alternating = "import sys\nfor i in range(50): print(i); print(i, file=sys.stderr)"
    with Session() as session:
        for _ in range(3):
            assert order_of(session.cell(alternating)) == "".join(f"{i}\n{i}\n" for i in range(50))


def test_more_changes_than_are_kept_in_order_lose_nothing() -> None:
    code = "import sys\nfor i in range(20_000): print(i); print(i, file=sys.stderr)"
    result = run(code)
    assert result.stdout == result.stderr == "".join(f"{i}\n" for i in range(20_000))


def test_threads_that_write_to_both_streams_do_not_deadlock() -> None:
    code = """
    import sys, threading
    def work(first, second):
        for i in range(300): print("a", file=first); print("b", end="", file=second); display(i) if i % 100 == 0 else None
    threads = [threading.Thread(target=work, args=pair) for pair in [(sys.stdout, sys.stderr), (sys.stderr, sys.stdout)] * 3]
    [each.start() for each in threads]; [each.join() for each in threads]
    """
    result = run(textwrap.dedent(code))
    assert result.done["end"] == "ok"
    assert result.stdout.count("a") + result.stderr.count("a") == result.stdout.count("b") + result.stderr.count("b") == 1800


@pytest.mark.parametrize("closing", ["os.close(1)", "os.close(2)", "os.close(3)", "sys.stdout.close()", "sys.stderr.close()"])
def test_a_closed_stream_or_channel_does_not_stop_the_other(closing: str) -> None:
    code = f"""
    import os, sys
    {closing}
    for i in range(3):
        for stream in (sys.stdout, sys.stderr):
            try: print(i, file=stream, flush=True)
            except (OSError, ValueError): pass
    """
    result = run(textwrap.dedent(code))
    assert result.done["end"] != "timeout"
    assert result.stdout == "0\n1\n2\n" or result.stderr == "0\n1\n2\n"


def test_an_interrupt_repeats_no_output() -> None:
    code = """
    import _thread, signal, sys, threading, time
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    def interrupt(*_): raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, interrupt)
    n = 0
    while n < 2000:
        try:
            n += 1
            sys.stdout.buffer.write(b"%d\\n" % n); sys.stdout.buffer.flush()
            sys.stderr.buffer.write(b"%d\\n" % n); sys.stderr.buffer.flush()
        except KeyboardInterrupt: pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    """
    result = run(textwrap.dedent(code))
    for text in (result.stdout, result.stderr):
        numbers = [int(line) for line in text.split()]
        assert numbers == sorted(set(numbers))
