from __future__ import annotations

import threading

import pytest

from ids import IdRanges


def test_a_range_in_use_is_never_given_out() -> None:
    ranges = IdRanges(3)
    assert [ranges.take() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="all 3 ranges"):
        ranges.take()
    ranges.give_back(1)
    assert ranges.take() == 1


def test_the_longest_unused_range_comes_first() -> None:
    ranges = IdRanges(4)
    first = ranges.take()
    ranges.give_back(first)
    assert [ranges.take(), ranges.take(), ranges.take()] == [1, 2, 3]
    assert ranges.take() == first


def test_a_range_given_back_twice_is_free_once() -> None:
    ranges = IdRanges(2)
    for _ in range(2):
        ranges.give_back(ranges.take())
        ranges.give_back(0)
    assert {ranges.take(), ranges.take()} == {0, 1}


def test_threads_never_share_a_range() -> None:
    ranges = IdRanges(64)
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: taken.extend(ranges.take() for _ in range(8))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(64))
