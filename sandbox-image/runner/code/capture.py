"""`%%capture`: keeps what a cell prints and shows in a variable."""

from __future__ import annotations

import contextlib
import io
import sys

from runner.outputs import sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Captured:
    """What a captured cell printed and showed. Named as in IPython."""

    def __init__(self) -> None:
        self._stdout, self._stderr = io.StringIO(), io.StringIO()
        self.outputs: list[CapturedOutput] = []

    @property
    def stdout(self) -> str:
        return self._stdout.getvalue()

    @property
    def stderr(self) -> str:
        return self._stderr.getvalue()

    def show(self) -> None:
        """Prints and shows all of it."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for output in self.outputs:
            output.display()

    __call__ = show

    def __str__(self) -> str:
        return self.stdout


class CapturedOutput:
    """One captured display."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self._head, self._body = head, body

    def display(self) -> None:
        if sender.current is not None:
            sender.current.show_spelled(self._head, self._body)

    _ipython_display_ = display


def capture(options: str, names: dict[str, Any], run: Callable[[], None]) -> None:
    """Runs `run` and assigns what it printed and showed to the variable in `options`, which are those of IPython's %%capture."""
    words = options.split()
    captured = Captured()
    with contextlib.ExitStack() as stack:
        if "--no-stdout" not in words:
            stack.enter_context(contextlib.redirect_stdout(captured._stdout))
        if "--no-stderr" not in words:
            stack.enter_context(contextlib.redirect_stderr(captured._stderr))
        if "--no-display" not in words:
            stack.enter_context(_displays_into(captured.outputs))
        # Assigned first: what was printed before an exception is in it.
        names.update((word, captured) for word in words if not word.startswith("-"))
        run()


@contextlib.contextmanager
def _displays_into(outputs: list[CapturedOutput]) -> Any:
    original = sender.current
    assert original is not None
    sender.current = original.redirected(lambda head, body: outputs.append(CapturedOutput(head, body)))
    try:
        yield
    finally:
        sender.current = original
