"""How the supervisor handles code that ends, hangs, floods, hides or attacks."""

from __future__ import annotations

import textwrap
import time

import pytest

from sandbox_driver import BOUNDS, Sandbox, run


def test_printed_text_arrives_and_the_end_is_ok() -> None:
    result = run("print('hello'); import sys; print('oops', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("hello\n", "oops\n")
    assert result.done["end"] == "ok" and result.done["exit_code"] == 0 and result.done["signal"] is None
    assert result.done["stdout_bytes"] == 6 and result.done["stderr_bytes"] == 5


@pytest.mark.parametrize(
    ("code", "end", "exit_code", "signal"),
    [
        ("1/0", "exception", 1, None),
        ("import sys; sys.exit(3)", "exit", 3, None),
        ("import sys; sys.exit('bye')", "exit", 1, None),
        ("exit()", "ok", 0, None),
        ("import os; os._exit(7)", "exit", 7, None),
        ("import os; os.abort()", "signal", None, "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal", None, "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "signal", None, "SIGSEGV"),
        ("import os; os.execv('/bin/true', ['true'])", "ok", 0, None),
        ("import threading; threading.Thread(target=lambda: print('late')).start()", "ok", 0, None),
    ],
)
def test_each_kind_of_end_is_distinguished(code: str, end: str, exit_code: int | None, signal: str | None) -> None:
    done = run(code).done
    assert (done["end"], done["exit_code"], done["signal"]) == (end, exit_code, signal)


def test_exit_handlers_and_threads_run_as_in_python() -> None:
    code = """
    import atexit, threading, time
    atexit.register(print, "handler")
    threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
    print("main")
    """
    assert run(textwrap.dedent(code)).stdout == "main\nthread\nhandler\n"


@pytest.mark.parametrize("hang", ["while True: pass", "import time; time.sleep(60)", "import os; os.read(os.pipe()[0], 1)"])
def test_code_is_stopped_at_its_time_limit_and_keeps_what_it_printed(hang: str) -> None:
    result = run(f"print('a line'); print('unfinished', end='')\n{hang}", timeout_ms=400)
    assert result.stdout == "a line\nunfinished"
    assert result.done["end"] == "timeout" and 390 <= result.done["run_ms"] < 1500


def test_code_that_ignores_every_signal_is_still_stopped() -> None:
    code = """
    import signal
    for number in signal.valid_signals():
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    print("deaf")
    while True:
        try:
            while True: pass
        except BaseException: pass
    """
    result = run(textwrap.dedent(code), timeout_ms=400)
    assert result.stdout == "deaf\n" and result.done["end"] == "timeout"


def test_an_interrupt_reaches_the_code_as_keyboard_interrupt() -> None:
    with Sandbox() as sandbox:
        sandbox.start("try:\n  print('go')\n  while True: pass\nexcept KeyboardInterrupt: print('stopped')")
        sandbox.read_until("stdout")
        sandbox.send("interrupt")
        result = sandbox.result()
    assert result.stdout == "stopped\n" and result.done["end"] == "interrupted"


def test_an_interrupt_that_is_swallowed_ends_in_a_kill() -> None:
    with Sandbox() as sandbox:
        sandbox.start("said = iter(['go'])\nwhile True:\n  try:\n    print(*said)\n    while True: pass\n  except KeyboardInterrupt: pass")
        sandbox.read_until("stdout")
        began = time.monotonic()
        sandbox.send("interrupt")
        done = sandbox.result().done
    assert done["end"] == "interrupted" and 0.4 < time.monotonic() - began < 2


def test_code_that_has_used_up_all_descriptors_gets_its_error_described() -> None:
    result = run("import os\nwhile True: os.open('/dev/null', 0)")
    assert result.heads("error")[0]["name"] == "OSError" and result.heads("error")[0]["errno"] == 24


def test_streams_that_exit_when_flushed_do_not_end_the_run() -> None:
    done = run("import sys\nclass Broken:\n    def flush(self): raise SystemExit(9)\nsys.stdout = sys.stderr = Broken()").done
    assert done["end"] == "ok" and done["exit_code"] == 0


def test_closing_every_descriptor_loses_nothing_printed_before() -> None:
    result = run("import os, time\nprint('before')\nos.closerange(0, 1000)\nopen('f.txt', 'w').write('after')")
    assert result.stdout == "before\n" and result.files == {"f.txt": b"after"}


def test_closing_descriptors_and_hanging_still_ends_at_the_limit() -> None:
    assert run("import os, time\nos.closerange(0, 1000)\ntime.sleep(60)", timeout_ms=300).done["end"] == "timeout"


def test_a_flood_is_counted_kept_in_part_and_stopped() -> None:
    result = run("import os\nwhile True: os.write(1, b'x' * 65536)", stdout_kept_bytes=1000, output_stop_bytes=2 << 20)
    assert result.stdout == "x" * 1000 and result.done["stdout_truncated"]
    assert result.done["end"] == "output" and 2 << 20 <= result.done["stdout_bytes"] < 4 << 20


def test_output_at_its_limit_is_whole() -> None:
    done = run("print('x' * 999)", stdout_kept_bytes=1000).done
    assert done["stdout_bytes"] == 1000 and not done["stdout_truncated"]


def test_a_worker_that_does_not_read_stops_the_code_and_loses_nothing() -> None:
    with Sandbox() as sandbox:
        sandbox.start("for i in range(200000): print(f'{i:9}')", stdout_kept_bytes=8 << 20, timeout_ms=20_000)
        time.sleep(0.5)
        result = sandbox.result()
    assert result.stdout == "".join(f"{i:9}\n" for i in range(200_000)) and result.done["end"] == "ok"


def test_the_clock_runs_on_while_the_worker_does_not_read() -> None:
    with Sandbox() as sandbox:
        sandbox.start("while True: print('x' * 1000)", stdout_kept_bytes=8 << 20, timeout_ms=300)
        time.sleep(1)
        result = sandbox.result()
    assert result.done["end"] == "timeout" and result.done["run_ms"] < 900


def test_displays_keep_their_place_among_what_is_printed() -> None:
    result = run("for i in range(200):\n    print('text', i)\n    display({'text/html': '<b>'}, raw=True)")
    order = [frame.kind for frame in result.frames[:-1]]
    assert order == ["stdout", "display"] * 200


def test_the_runner_says_that_it_has_the_code_only_where_it_is_asked_to() -> None:
    assert [frame.kind for frame in run("print(1)", announce_start=True).frames] == ["started", "stdout", "done"]
    assert [frame.kind for frame in run("print(1)").frames] == ["stdout", "done"]


def test_forged_frames_close_only_the_channel() -> None:
    for forgery in (b"\\x4a\\0\\0\\0\\x02\\0\\0\\0\\0{}", b"\\x45\\0\\0\\0\\x01\\0\\0\\0\\0[", b"\\xff" * 100_000):
        result = run(
            f"import os\nfor fd in (1, 2, 3): os.write(fd, b'{forgery.decode()}')\ndisplay({{'text/html': 'x'}}, raw=True)\nprint('on')"
        )
        assert result.stdout.endswith("on\n") and result.done["end"] == "ok"
        assert len(result.heads("done")) == 1


def test_endless_displays_are_dropped_over_the_limit() -> None:
    code = "import os\nframe = b'\\x45\\0\\0\\0\\x07\\0\\0\\0\\0{\"a\":1}'\nfor _ in range(1000):\n    os.write(3, frame); os.read(3, 100)"
    result = run(code, outputs_count=5)
    assert len(result.heads("display")) == 5 and result.done["outputs_truncated"]


def test_displays_of_code_that_reads_no_acknowledgement_are_all_received() -> None:
    code = "frame = b'\\x45\\0\\0\\0\\x07\\0\\0\\0\\0{\"a\":1}'\nwith open(3, 'wb', closefd=False) as channel: channel.write(frame * 2000)"
    result = run(code, outputs_count=3000)
    assert len(result.heads("display")) == 2000 and not result.done["outputs_truncated"]


def test_a_display_over_the_byte_limit_is_dropped() -> None:
    code = "import os\nframe = b'\\x45\\0\\0\\0\\x02\\0\\1\\0\\0{}' + bytes(65536)\nos.write(3, frame); os.read(3, 100)\nprint('on')"
    result = run(code, display_bytes=1000)
    assert not result.heads("display") and result.done["outputs_truncated"] and result.stdout == "on\n"


def test_a_display_over_the_value_limit_is_dropped() -> None:
    code = (
        "import os, struct\nfor head in (b'{\"a\":[' + b'[],' * 2_000_000 + b'1]}', b'{\"a\":1}'):\n"
        "    data = struct.pack('>BII', 0x45, len(head), 0) + head\n"
        "    while data: data = data[os.write(3, data):]\n"
        "    os.read(3, 1)\n"
    )
    result = run(code)
    assert result.heads("display") == [{"a": 1}] and result.done["outputs_truncated"]


def test_standard_input_is_what_was_sent_and_ends() -> None:
    data = b"line\n" * 200_000
    assert run("import sys; print(len(sys.stdin.read()), sys.stdin.read() == '')", stdin=data).stdout == "1000000 True\n"
    assert run("import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_code_that_never_reads_its_input_still_ends() -> None:
    assert run("print('done')", stdin=b"x" * (1 << 20)).done["end"] == "ok"


def test_arguments_and_environment_are_those_of_the_request_and_nothing_else() -> None:
    result = run(
        "import sys, os; print(sys.argv[1:], os.environ['CITY'], os.getcwd(), os.getuid())", args=["a b", "é"], env={"CITY": "Zürich"}
    )
    assert result.stdout == "['a b', 'é'] Zürich /mnt/data 65532\n"


def test_modules_of_the_code_may_have_names_of_the_runner() -> None:
    files = dict.fromkeys(("protocol.py", "cell.py", "child.py", "collect.py", "supervisor.py"), b"who = 'user'")
    code = "import protocol, cell, child, collect, supervisor\nprint({m.who for m in (protocol, cell, child, collect, supervisor)})"
    assert run(code, files=files).stdout == "{'user'}\n"


def test_a_file_in_the_working_folder_is_never_imported_by_the_runner() -> None:
    files = {f"{name}.py": b"open('/mnt/data/ran.txt', 'w')" for name in ("os", "stat", "gc", "json", "site", "encodings", "runner")}
    assert run("print('safe')", files=files).files == {}


def test_multiprocessing_and_subprocess_work() -> None:
    code = """
    import multiprocessing, concurrent.futures, subprocess, sys
    def square(x): return x * x
    with multiprocessing.Pool(3) as pool: print(pool.map(square, range(5)))
    with concurrent.futures.ProcessPoolExecutor(2) as pool: print(list(pool.map(square, range(5))))
    with concurrent.futures.ThreadPoolExecutor(2) as pool: print(list(pool.map(square, range(5))))
    print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout.strip())
    """
    result = run(textwrap.dedent(code))
    assert result.stdout == "[0, 1, 4, 9, 16]\n" * 3 + "child\n", result.stderr


def test_a_display_in_a_fork_does_not_disturb_the_original() -> None:
    code = "import os\nif os.fork() == 0:\n    display({'text/html': 'copy'}, raw=True)\n    os._exit(0)\nos.wait()\ndisplay({'text/html': 'own'}, raw=True)\nprint('on')"
    result = run(code)
    assert [head["text"] for head in result.heads("display")] == ["own"] and result.stdout == "on\n"


def test_random_numbers_differ_between_sandboxes_that_preloaded_numpy() -> None:
    code = "import numpy as np, random; print(np.random.rand(), random.random())"
    assert len({run(code, preload=("numpy",)).stdout for _ in range(3)}) == 3


def test_only_listed_modules_are_preloaded() -> None:
    with Sandbox() as sandbox:
        answers = []
        for module in ("numpy", "os.path", "antigravity", "runner.supervisor.supervisor"):
            sandbox.send("preload", {"module": module})
            answers.append(sandbox.read_until("preloaded")[-1].head)
        assert [answer["ok"] for answer in answers] == [True, False, False, False]


def test_a_sandbox_runs_once() -> None:
    with Sandbox() as sandbox:
        sandbox.start("print(1)")
        sandbox.result()
        sandbox.send("run", BOUNDS, b"print(2)")
        assert sandbox.read() is None and sandbox.process.wait(5) == 65


def test_a_full_disk_is_reported() -> None:
    result = run("try:\n    open('big', 'wb').write(bytes(64 << 20))\nexcept OSError as e: print(e.errno)")
    assert result.stdout == "28\n" and result.done["full_folder"] == "/mnt/data"
    assert run("print(1)").done["full_folder"] is None
