"""The parts of the runtimes that read what a program of others wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from containers import exit_code, kill, last_message, wait_for
from gvisor import _splice, kernel_and_server
from zygotes import interpreter_of


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("", ""),
        ("first\nlast line\n", "last line"),
        ('{"msg":"one","level":"debug"}{"msg":"cannot \\"start\\"","level":"error"}\n', 'cannot "start"'),
        ('{"level":"error","msg":"umlaut \\u00e4"}', "umlaut ä"),
        ("x" * 10_000, "x" * 500),
    ],
)
def test_the_last_message_of_a_runtime_is_found(log: str, message: str) -> None:
    assert last_message(log) == message


def test_gvisors_state_file_names_kernel_and_file_server() -> None:
    assert kernel_and_server(json.dumps({"sandbox": {"pid": 12}, "goferPid": 13})) == (12, 13)


@pytest.mark.parametrize(
    "state",
    [
        *("", "{}", "[]", "null", "not json", '{"sandbox": null, "goferPid": 3}', '{"sandbox": {"pid": 3}}'),
        *('{"sandbox": {"pid": -1}, "goferPid": 3}', '{"sandbox": {"pid": 3}, "goferPid": 0}', '{"sandbox": {"pid": 1}, "goferPid": 3}'),
        *('{"sandbox": {"pid": "3"}, "goferPid": 3}', '{"sandbox": {"pid": true}, "goferPid": 3}'),
    ],
)
def test_a_state_file_without_process_ids_is_an_error(state: str) -> None:
    with pytest.raises(OSError, match="state file"):
        kernel_and_server(state)


def test_our_interpreter_is_what_stands_before_the_program() -> None:
    command = "/r/ld.so\0--library-path\0/r/lib\0/r/python3\0-I\0/k/keeper.py\0--socket\0/k/keeper.py\0"
    assert interpreter_of(command, "/k/keeper.py") == ["/r/ld.so", "--library-path", "/r/lib", "/r/python3", "-I"]
    with pytest.raises(ValueError, match="not in list"):
        interpreter_of("python3\0other.py\0", "/k/keeper.py")


def test_spliced_bytes_arrive_whole_and_in_order() -> None:
    data = os.urandom(3 << 20)
    source, fill = os.pipe()
    drain, target = os.pipe()
    received: list[bytes] = []

    def write() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fill, view) :]
        os.close(fill)

    def move() -> None:
        _splice(source, target)
        os.close(target)

    def read() -> None:
        while part := os.read(drain, 65_536):
            received.append(part)

    threads = [threading.Thread(target=work) for work in (write, move, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert b"".join(received) == data
    os.close(source)
    os.close(drain)


def test_splicing_ends_when_the_reader_has_gone() -> None:
    source, fill = os.pipe()
    drain, target = os.pipe()
    os.close(drain)
    os.write(fill, b"x")
    _splice(source, target)
    for fd in (source, fill, target):
        os.close(fd)


def started(*command: str) -> tuple[subprocess.Popen[Any], int]:
    process = subprocess.Popen(command)
    return process, os.pidfd_open(process.pid)


def test_a_process_is_killed_and_waited_for() -> None:
    process, pidfd = started("sleep", "60")
    assert not wait_for(pidfd, 1)
    kill(pidfd)
    assert wait_for(pidfd, 0)
    assert process.wait() == -signal.SIGKILL
    # Its id is free now, but the pidfd does not reach another process.
    kill(pidfd)
    os.close(pidfd)


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_of_a_reaped_process_is_known_on_new_kernels(script: str, code: int) -> None:
    process, pidfd = started("sh", "-c", script)
    process.wait()
    assert exit_code(pidfd) in (code, None)
    os.close(pidfd)
