"""No process outlives the run, none reaches the first process, and the runner starts only as the first process."""

from __future__ import annotations

import subprocess
import textwrap
import time

import pytest

from sandbox_driver import ENTRY_POINT, Sandbox, run


def test_daemonised_grandchildren_do_not_outlive_the_run() -> None:
    code = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.2)
            open("/mnt/data/late.txt", "w").write("still here")
            time.sleep(60)
        os._exit(0)
    os.wait()
    print("main ends")
    """
    began = time.monotonic()
    result = run(textwrap.dedent(code))
    assert result.stdout == "main ends\n" and result.done["end"] == "ok" and not result.files
    assert time.monotonic() - began < 3


def test_a_stopped_process_does_not_outlive_the_run() -> None:
    code = "import os, signal\npid = os.fork()\nif pid == 0:\n    os.kill(os.getpid(), signal.SIGSTOP)\nprint('end')"
    assert run(code).done["end"] == "ok"


def test_a_fork_bomb_harms_only_itself() -> None:
    code = """
    import os
    print("boom")
    while True:
        try: os.fork()
        except OSError: pass
    """
    result = run(textwrap.dedent(code), timeout_ms=700)
    assert result.stdout.startswith("boom\n") and result.done["end"] == "timeout"


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM", "SIGSTOP", "SIGINT", "SIGSEGV", "SIGCHLD", "SIGXCPU", "SIGHUP"])
def test_the_first_process_cannot_be_signalled(signal: str) -> None:
    result = run(f"import os, signal, time; os.kill(1, signal.{signal}); time.sleep(0.05); print('sent')")
    assert result.stdout == "sent\n" and result.done["end"] == "ok"


def test_the_first_process_cannot_be_read_or_traced() -> None:
    code = """
    import os, ctypes
    for name in ("mem", "environ", "maps", "fd", "cwd", "root", "exe"):
        path = f"/proc/1/{name}"
        try:
            os.listdir(path) if name == "fd" else os.readlink(path) if name in ("cwd", "root", "exe") else open(path, "rb").read(1)
            print("open", name)
        except OSError: pass
    for name in ("oom_score_adj", "comm", "fd/1", "fd/0", "mem"):
        try: open(f"/proc/1/{name}", "wb").write(b"0"); print("writable", name)
        except OSError: pass
    libc = ctypes.CDLL(None, use_errno=True)
    print("ptrace", libc.ptrace(16, 1, 0, 0))
    """
    assert run(textwrap.dedent(code)).stdout == "ptrace -1\n"


def test_the_code_holds_no_descriptor_but_its_own() -> None:
    code = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1], os.fstat(3).st_mode & 0o140000 == 0o140000)"
    # The fourth is unused and points to no file.
    assert run(code).stdout == "[0, 1, 2, 3, 4] True\n"
    assert run("import os; print(os.readlink('/proc/self/fd/4'))").stdout == "/dev/null\n"


def test_the_sandbox_ends_when_its_worker_disconnects_even_during_a_run() -> None:
    for code in ("while True: pass", "while True: print('x' * 1000)", "import time; time.sleep(60)"):
        with Sandbox() as sandbox:
            sandbox.start(code)
            assert sandbox.process.stdin is not None
            sandbox.process.stdin.close()
            assert sandbox.process.wait(5) == 0


def test_the_runner_starts_only_as_the_first_process() -> None:
    """Because it kills every other process that it can see."""
    started = subprocess.run(ENTRY_POINT, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    assert started.returncode == 1 and b"first process of a process namespace" in started.stderr and started.stdout == b""
