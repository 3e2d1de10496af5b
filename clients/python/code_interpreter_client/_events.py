"""The events of a text/event-stream as the service writes it."""

from __future__ import annotations

import json
from typing import cast

from ._types import ExecutionEvent


class EventParser:
    """Takes lines, and returns the event that an empty line ends. A last event without that line was cut, and is left out."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self._id: str | None = None
        self._data: list[str] = []

    def push(self, line: str) -> ExecutionEvent | None:
        if line.startswith("id: "):
            self._id = line[4:]
        elif line.startswith("data: "):
            self._data.append(line[6:])
        elif line == "" and self._data:
            self.last_id = self._id or self.last_id
            event = cast(ExecutionEvent, json.loads("\n".join(self._data)))
            self._id, self._data = None, []
            return event
        return None

    def cut(self) -> None:
        """The connection broke."""
        self._id, self._data = None, []
