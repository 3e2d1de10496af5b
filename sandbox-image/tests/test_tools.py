"""Code that calls tools: the functions, their forms, their errors, and the clock that stands still while all threads wait."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox_driver import BOUNDS, Frame, Result, Sandbox, Session

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = {
    "type": "function",
    "name": "fetch_order",
    "description": "Returns one order.\nSecond line.",
    "parameters": {
        "type": "object",
        "properties": {
            "order_id": {"type": "integer", "description": "number of the order"},
            "currency": {"enum": ["EUR", "USD"]},
        },
        "required": ["order_id"],
    },
}
TOOL_BOUNDS: dict[str, Any] = {
    "tools": [ORDER, {"type": "function", "name": "note"}],
    "tool_calls_open": 4,
    "tool_calls_count": 100,
    "tool_value_bytes": 1 << 20,
    "tool_wait_ms": 60_000,
}


def echo(call: Frame) -> tuple[dict[str, Any], bytes]:
    """Answers a call with its own arguments."""
    return {"call": call.head["call"], "outcome": "output"}, call.body


def serve(sandbox: Sandbox, answer: Callable[[Frame], tuple[dict[str, Any], bytes]]) -> tuple[Result, list[Frame]]:
    """Answers every call until the run ends. Returns its result and the calls."""
    frames, calls = [], []
    while True:
        frame = sandbox.read()
        assert frame is not None
        frames.append(frame)
        if frame.kind == "tool_call":
            calls.append(frame)
            head, body = answer(frame)
            sandbox.send("tool_answer", head, body)
        elif frame.kind == "done":
            return Result(frames, frame.head), calls


def run(code: str, answer: Callable[[Frame], tuple[dict[str, Any], bytes]] = echo, **bounds: Any) -> tuple[Result, list[Frame]]:
    with Sandbox() as sandbox:
        sandbox.start(code, **{**TOOL_BOUNDS, **bounds})
        return serve(sandbox, answer)


@pytest.mark.parametrize(
    "code",
    [
        "print(fetch_order(7)['order_id'])",
        "print(fetch_order(order_id=7)['order_id'])",
        "print((await fetch_order(7))['order_id'])",
        "import asyncio\nprint((await asyncio.gather(*(fetch_order(i) for i in [7])))[0]['order_id'])",
        "import asyncio\njobs = [fetch_order(7)]\nprint((await asyncio.gather(*jobs))[0]['order_id'])",
        "import asyncio\nasync def main():\n    return await fetch_order(7)\nprint(asyncio.run(main())['order_id'])",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool: print(*(row['order_id'] for row in pool.map(fetch_order, [7])))",
        "import asyncio\nprint((await asyncio.to_thread(fetch_order, 7))['order_id'])",
        "import numpy as np\nprint(fetch_order(np.int64(7))['order_id'])",
    ],
)
def test_every_form_of_a_call_gets_its_answer(code: str) -> None:
    result, calls = run(code)
    assert result.stdout == "7\n", result.stderr
    assert [(call.head["name"], json.loads(call.body)) for call in calls] == [("fetch_order", {"order_id": 7})]


def test_calls_of_many_threads_are_open_side_by_side_up_to_the_limit() -> None:
    held: list[Frame] = []
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(16) as pool: print(sum(r['order_id'] for r in pool.map(fetch_order, range(16))))"
    )
    with Sandbox() as sandbox:
        sandbox.start(code, **TOOL_BOUNDS)
        answered = 0
        while answered < 16:
            frame = sandbox.read()
            assert frame is not None
            if frame.kind == "tool_call":
                held.append(frame)
            assert len(held) <= TOOL_BOUNDS["tool_calls_open"]
            if len(held) == TOOL_BOUNDS["tool_calls_open"]:
                for call in held:
                    sandbox.send("tool_answer", *echo(call))
                answered += len(held)
                held = []
        assert sandbox.result().stdout == "120\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("fetch_order()", "fetch_order() is missing required argument: order_id"),
        ("fetch_order(1, 'EUR', 2)", "fetch_order() takes 2 positional arguments but 3 were given"),
        ("fetch_order(1, order_id=1)", "fetch_order() got multiple values for argument 'order_id'"),
        ("fetch_order(1, id=2)", "fetch_order() got an unexpected keyword argument 'id'; it takes order_id, currency"),
        ("fetch_order('x')", "fetch_order(): argument 'order_id' must be integer, not str ('x')"),
        ("fetch_order(True)", "fetch_order(): argument 'order_id' must be integer, not bool (True)"),
        ("fetch_order(1, 'GBP')", "fetch_order(): argument 'currency' must be one of ['EUR', 'USD'], not 'GBP'"),
        ("note(x=float('nan'))", "note(): argument 'x' is nan, which JSON does not have"),
        ("note(x=object())", "note(): argument 'x' is a object, which is not a JSON value"),
    ],
)
def test_wrong_arguments_raise_a_type_error_that_names_the_parameter(call: str, message: str) -> None:
    result, calls = run(f"try: {call}\nexcept TypeError as error: print(error)")
    assert (result.stdout, calls) == (message + "\n", [])


def test_an_error_and_a_timeout_can_be_caught_and_told_apart() -> None:
    outcomes = iter(["error", "timeout", "error"])

    def answer(call: Frame) -> tuple[dict[str, Any], bytes]:
        return {"call": call.head["call"], "outcome": next(outcomes)}, b'"no such order"'

    code = (
        "for _ in range(2):\n"
        "    try: fetch_order(1)\n"
        "    except ToolTimeout as error: print('timeout:', error)\n"
        "    except ToolError as error: print('error:', error)\n"
        "fetch_order(1)"
    )
    result, _ = run(code, answer)
    assert result.stdout == "error: no such order\ntimeout: fetch_order() was not answered in time\n"
    [error] = result.heads("error")
    assert (error["name"], error["value"]) == ("ToolError", "no such order")
    assert "/opt/runner" not in "".join(error["traceback"])


def test_help_and_tools_describe_the_tools() -> None:
    result, _ = run("help(fetch_order)\nprint(repr(tools))")
    assert "fetch_order(order_id: int, currency=Ellipsis)" in result.stdout
    assert "Returns one order." in result.stdout and "order_id: number of the order" in result.stdout
    assert "fetch_order(order_id: int, currency=Ellipsis): Returns one order.\nnote(**arguments)\n" in result.stdout


def test_text_before_a_call_comes_before_it() -> None:
    result, _ = run("print('before', end='')\nfetch_order(1)\nprint('after')")
    kinds = [frame.kind for frame in result.frames if frame.kind in ("stdout", "tool_call")]
    assert kinds == ["stdout", "tool_call", "stdout"]


def slow(seconds: float) -> Callable[[Frame], tuple[dict[str, Any], bytes]]:
    def answer(call: Frame) -> tuple[dict[str, Any], bytes]:
        time.sleep(seconds)
        return echo(call)

    return answer


def test_time_in_which_all_threads_wait_is_not_the_codes() -> None:
    result, _ = run("fetch_order(1); fetch_order(2); print('done')", slow(0.8), timeout_ms=1000)
    assert (result.done["end"], result.stdout) == ("ok", "done\n")
    assert any(frame.kind == "tool_wait" for frame in result.frames)


def test_time_in_which_a_thread_computes_is_the_codes() -> None:
    code = "import threading\nthreading.Thread(target=fetch_order, args=(1,), daemon=True).start()\nwhile True: pass"
    with Sandbox() as sandbox:
        started = time.monotonic()
        sandbox.start(code, **{**TOOL_BOUNDS, "timeout_ms": 1000})
        result = sandbox.result()
    assert result.done["end"] == "timeout"
    assert time.monotonic() - started < 8


def test_waiting_ends_at_its_own_limit() -> None:
    with Sandbox() as sandbox:
        sandbox.start("fetch_order(1)", **{**TOOL_BOUNDS, "tool_wait_ms": 300})
        assert sandbox.result().done["end"] == "tool_wait"


def test_calls_beyond_the_limit_are_refused() -> None:
    result, calls = run("for i in range(5):\n    fetch_order(i)", tool_calls_count=3)
    assert len(calls) == 3
    assert result.heads("error")[0]["value"] == "the limit of 3 tool calls in one execution is reached"


@pytest.mark.parametrize(
    "attack",
    [
        # Undeclared names, reused and strange numbers, floods, half frames, garbage.
        "send({'call': 1, 'name': 'os_system'}, b'{}')",
        "send({'call': -1, 'name': 'fetch_order'}, b'{}')",
        "send({'call': '1', 'name': 'fetch_order'}, b'{}')",
        "send({'call': 2**40, 'name': 'fetch_order'}, b'{}')",
        "send({'call': 1, 'name': ['fetch_order']}, b'{}')",
        "send({'name': 'fetch_order'}, b'{}')",
        "send({'call': 1, 'name': 'fetch_order', 'x': [[[]]] * 99}, b'{}')",
        "for _ in range(5000): send({'call': 1, 'name': 'x'}, b'{}')",
        "os.write(4, b'\\x4e\\x00\\x00\\x00\\x05')",
        "os.write(4, b'\\xff' * 100_000)",
        "os.close(4)",
    ],
)
def test_hostile_calls_reach_nothing_and_end_nothing(attack: str) -> None:
    code = (
        "import os, json, struct, signal\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
        "def send(head, body):\n"
        "    head = json.dumps(head).encode()\n"
        "    data = struct.pack('>BII', 0x4e, len(head), len(body)) + head + body\n"
        "    try:\n"
        "        while data: data = data[os.write(4, data):]\n"
        "    except OSError: pass\n"
        f"{attack}\nprint('done')"
    )
    result, calls = run(code)
    assert (result.done["end"], calls) == ("ok", [])
    assert result.stdout == "done\n"


def test_a_fork_cannot_call() -> None:
    code = (
        "import os\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try: fetch_order(1)\n"
        "    except ToolError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)"
    )
    result, calls = run(code)
    assert "cannot be called in a forked process" in result.stdout
    assert calls == []


def test_a_run_without_tools_has_no_socket() -> None:
    with Sandbox() as sandbox:
        sandbox.start("import os\nprint(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:5])\nprint('tools' in globals())")
        assert sandbox.result().stdout == "[0, 1, 2, 3, 4]\nFalse\n"


def test_each_cell_has_its_own_tools() -> None:
    with Session() as session:
        session.send("run", {**BOUNDS, "session": True, **TOOL_BOUNDS}, b"x = fetch_order(5)['order_id']\nkeep = fetch_order")
        first, calls = serve(session, echo)
        second = session.cell("print(x, 'fetch_order' in globals())")
        late = session.cell("try: keep(1)\nexcept ToolError as e: print(e)\nexcept Exception as e: print(type(e).__name__)")
        session.send("run", {**BOUNDS, "session": True, **TOOL_BOUNDS}, b"print(fetch_order(6)['order_id'])")
        third, _ = serve(session, echo)
    assert (len(calls), first.done["session_alive"]) == (1, True)
    assert second.stdout == "5 False\n"
    assert late.done["session_alive"] is True
    assert third.stdout == "6\n"
