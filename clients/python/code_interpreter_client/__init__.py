"""Runs Python in the sandboxes of a code-interpreter service."""

from ._async import AsyncCodeInterpreter, AsyncSession
from ._errors import CodeInterpreterError
from ._options import RunOptions, StoredFile, Tool
from ._result import Result, ResultFile
from ._sync import CodeInterpreter, Session
from ._types import Execution, ExecutionEvent, Output

__all__ = [
    "AsyncCodeInterpreter",
    "AsyncSession",
    "CodeInterpreter",
    "CodeInterpreterError",
    "Execution",
    "ExecutionEvent",
    "Output",
    "Result",
    "ResultFile",
    "RunOptions",
    "Session",
    "StoredFile",
    "Tool",
]
