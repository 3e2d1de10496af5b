"""An execution that has ended, with its outputs by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ._types import Execution, Output, OutputChart, OutputError, OutputFile, OutputImage, OutputTable

# bytes, or a coroutine of bytes.
Content = TypeVar("Content")


class ResultFile(Generic[Content]):
    """A file of a result. Its content stays at the service until it is read."""

    def __init__(self, output: OutputFile, download: Callable[[str], Content]) -> None:
        self.output = output
        self._download = download

    def content(self) -> Content:
        return self._download(self.output["file_id"])


class Result(Generic[Content]):
    def __init__(self, execution: Execution, download: Callable[[str], Content]) -> None:
        self.execution = execution
        self._download = download

    @property
    def id(self) -> str:
        return self.execution["id"]

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end without an error."""
        return self.execution["status"] == "completed"

    @property
    def outputs(self) -> list[Output]:
        return self.execution["outputs"]

    @property
    def text(self) -> str:
        """What the code printed to standard output, and the value of its last expression."""
        return "".join(
            output["text"]
            for output in self.outputs
            if output["type"] == "result" or (output["type"] == "text" and output["stream"] == "stdout")
        )

    @property
    def tables(self) -> list[OutputTable]:
        return [output for output in self.outputs if output["type"] == "table"]

    @property
    def images(self) -> list[OutputImage]:
        return [output for output in self.outputs if output["type"] == "image"]

    @property
    def charts(self) -> list[OutputChart]:
        return [output for output in self.outputs if output["type"] == "chart"]

    @property
    def error(self) -> OutputError | None:
        """The error that ended the code."""
        errors = [output for output in self.outputs if output["type"] == "error"]
        return errors[-1] if errors else None

    @property
    def files(self) -> dict[str, ResultFile[Content]]:
        """Files that the code made or changed, by name."""
        return {output["name"]: ResultFile(output, self._download) for output in self.outputs if output["type"] == "file"}
