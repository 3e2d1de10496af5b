"""Sends the outputs of one cell in order, within the run's limits."""

from __future__ import annotations

import _thread
import sys

from runner.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Channel(Protocol):
        def send(self, kind: int, head: bytes, body: bytes = b"") -> object: ...


DISPLAY = 0x45
ERROR = 0x46
# For limits missing from the run's head, as in manual tests.
_DEFAULTS = {
    "outputs_count": 256,
    "display_bytes": 8 << 20,
    "displays_bytes": 32 << 20,
    "display_values": 250_000,
    "displays_values": 500_000,
    "table_rows": 1000,
    "table_columns": 200,
    "chart_points": 10_000,
    "text_value_bytes": 256 << 10,
    "traceback_lines": 200,
}

# The outputs of the current cell. display() writes here.
current: Outputs | None = None


class Outputs:
    """Sends the outputs of one cell. Limits are attributes. Outputs over a limit are dropped, which stderr says once."""

    def __init__(self, channel: Channel, bounds: dict[str, Any]) -> None:
        def bound(name: str) -> int:
            return int(bounds.get(name, _DEFAULTS[name]))

        self.display_bytes = bound("display_bytes")
        self.display_values = bound("display_values")
        self.table_rows = bound("table_rows")
        self.table_columns = bound("table_columns")
        self.chart_points = bound("chart_points")
        self.text_value_bytes = bound("text_value_bytes")
        self.traceback_lines = bound("traceback_lines")
        self._channel_send: Callable[[int, bytes, bytes], object] = channel.send
        self._spell, self._count_values = jsontext.spell, jsontext.count_values
        self._count_left = bound("outputs_count")
        self._bytes_left = bound("displays_bytes")
        self._values_left = bound("displays_values")
        self._reported: set[str] = set()
        self._one_at_a_time = _thread.RLock()

    def show(self, head: dict[str, Any], body: bytes = b"") -> bool:
        """Sends one display. Returns False if a limit forbids it. Raises ValueError or TypeError if `head` is not valid JSON."""
        return self.show_spelled(self._spell(head), body)

    def show_spelled(self, spelled: bytes, body: bytes) -> bool:
        """Like `show`, for a head that is already JSON text."""
        size = len(spelled) + len(body)
        if size > self.display_bytes:
            return self.drop(f"an output of {size} bytes was dropped: the limit is {self.display_bytes}")
        values = self._count_values(spelled)
        if values > self.display_values:
            return self.drop(f"an output of {values} values was dropped: the limit is {self.display_values}")
        if self._count_left <= 0:
            return self.drop("further outputs were dropped: too many outputs")
        if size > self._bytes_left:
            return self.drop("an output was dropped: too many bytes in all outputs together")
        if values > self._values_left:
            return self.drop("an output was dropped: too many values in all outputs together")
        self._count_left -= 1
        self._bytes_left -= size
        self._values_left -= values
        self._send(DISPLAY, spelled, body)
        return True

    def values_room(self) -> int:
        """Returns how many values one more display may have."""
        return min(self.display_values, self._values_left)

    def fail(self, head: dict[str, Any]) -> None:
        """Sends the error. It fits after any number of displays."""
        self._send(ERROR, self._spell(head), b"")

    def redirected(self, keep: Callable[[bytes, bytes], None]) -> Outputs:
        """Returns outputs with the same limits, whose displays go to `keep(head, body)` instead."""
        other = object.__new__(Outputs)
        other.__dict__.update(self.__dict__)
        other._channel_send = lambda _kind, head, body: keep(head, body) if head else None
        return other

    def write(self, text: str) -> None:
        """Writes to the program's stdout."""
        try:
            print(text)
        except Exception:
            # The program has closed or replaced its stdout.
            pass

    def _send(self, kind: int, head: bytes, body: bytes) -> None:
        # Threads may display concurrently. Reentrant, because flushing a stream made by the program may display.
        with self._one_at_a_time:
            flush_streams()
            self._channel_send(kind, head, body)

    def drop(self, reason: str) -> bool:
        """Reports a dropped output. Always returns False."""
        if not self._reported:
            # A display without a head makes the supervisor report that an output is missing.
            self._send(DISPLAY, b"", b"")
        if reason not in self._reported and len(self._reported) < 10:
            self._reported.add(reason)
            try:
                print(reason, file=sys.stderr)
            except Exception:
                pass
        return False


def flush_streams() -> None:
    """Flushes printed text, so that outputs stay in order."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except KeyboardInterrupt:
            raise
        except BaseException:
            # Closed, replaced or broken by user code.
            pass
