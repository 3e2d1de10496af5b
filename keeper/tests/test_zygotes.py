"""When zygotes are replaced. The zygotes here are stand-ins; the runners are sleeping processes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from containers import Container
from zygotes import Zygote, Zygotes

CONFIG = {"linux": {"namespaces": [{"type": "pid"}]}, "process": {}}


class FakeZygote:
    def __init__(self, runner: int, forks_max: int) -> None:
        self.forks = 0
        self.dead = False
        self.closed = threading.Event()
        self._runner = runner
        self._forks_max = forks_max

    @property
    def worn(self) -> bool:
        return self.forks >= self._forks_max

    def fork(self, fds: list[int]) -> int:
        if self.dead:
            raise OSError("the zygote ended")
        self.forks += 1
        return os.pidfd_open(self._runner)

    def check(self) -> None:
        if self.dead:
            raise OSError("the zygote ended")

    def close(self) -> None:
        self.closed.set()


class FakeZygotes(Zygotes):
    def __init__(self, runner: int) -> None:
        self.runner = runner
        self.started: list[FakeZygote] = []
        self.trouble: OSError | None = None
        super().__init__("/rootfs", CONFIG, b"program", {"zygote_forks": 3, "zygote_age_s": 60}, stack=True)

    def _start(self) -> Zygote:
        if self.trouble is not None:
            raise self.trouble
        self.started.append(FakeZygote(self.runner, self._bounds["zygote_forks"]))
        return cast(Zygote, self.started[-1])


class FakeContainer:
    def __init__(self, members: list[int]) -> None:
        self.pid, self.init, self.procs = 1, 0, [1, 2]
        self._members = members

    def members(self) -> list[int]:
        return self._members


@pytest.fixture
def zygotes() -> Iterator[FakeZygotes]:
    runner = subprocess.Popen(["sleep", "60"])
    yield FakeZygotes(runner.pid)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(10)
    runner.kill()
    runner.wait()


def fork(zygotes: FakeZygotes, *joined: int) -> None:
    os.close(zygotes.fork_into(5, cast(Container, FakeContainer([1, *joined])), 6))


def test_one_zygote_serves_many_forks(zygotes: FakeZygotes) -> None:
    fork(zygotes)
    fork(zygotes)
    assert [zygote.forks for zygote in zygotes.started] == [2]


def test_a_worn_zygote_is_replaced_and_closed(zygotes: FakeZygotes) -> None:
    for _ in range(3):
        fork(zygotes)
    assert zygotes.started[0].closed.wait(10)
    fork(zygotes)
    assert [zygote.forks for zygote in zygotes.started] == [3, 1]


def test_a_zygote_that_cannot_be_renewed_goes_on(zygotes: FakeZygotes) -> None:
    zygotes.trouble = OSError("no memory")
    for _ in range(5):
        fork(zygotes)
    assert [zygote.forks for zygote in zygotes.started] == [5]


def test_a_dead_zygote_is_replaced_and_the_fork_repeated(zygotes: FakeZygotes) -> None:
    zygotes.started[0].dead = True
    fork(zygotes)
    assert [zygote.forks for zygote in zygotes.started] == [0, 1]
    assert zygotes.started[0].closed.is_set()


def test_a_runner_that_joined_before_its_zygote_died_is_not_forked_again(zygotes: FakeZygotes) -> None:
    zygotes.started[0].dead = True
    fork(zygotes, zygotes.runner)
    assert [zygote.forks for zygote in zygotes.started] == [0, 0]


def test_without_a_new_zygote_the_fork_fails(zygotes: FakeZygotes) -> None:
    zygotes.started[0].dead = True
    zygotes.trouble = OSError("no memory")
    with pytest.raises(OSError, match="no memory"):
        fork(zygotes)


def test_a_check_replaces_a_zygote_that_does_not_answer_and_no_other(zygotes: FakeZygotes) -> None:
    zygotes.check()
    assert len(zygotes.started) == 1
    zygotes.started[0].dead = True
    zygotes.check()
    fork(zygotes)
    assert [zygote.forks for zygote in zygotes.started] == [0, 1]
