# Written by `npm run client-types`.
# ruff: noqa
from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class Evidence(TypedDict):
    exit_code: NotRequired[int]
    signal: NotRequired[str]
    oom_kills: NotRequired[int]
    memory_peak_bytes: NotRequired[int]
    processes_refused: NotRequired[int]
    limit: NotRequired[str]
    limit_value: NotRequired[float]
    suggestion: NotRequired[str]
    session_alive: NotRequired[bool]
    restored: NotRequired[Literal['before_cell']]


class Usage(TypedDict):
    queue_ms: int
    acquire_ms: int
    run_ms: int
    collect_ms: int
    cpu_ms: int
    memory_peak_bytes: int
    stdout_bytes: int
    stderr_bytes: int
    file_bytes: int
    warm: bool
    engine: Literal['docker', 'oci'] | None


class Truncated(TypedDict):
    stdout: bool
    stderr: bool
    outputs: bool
    files: bool


class SkippedFile(TypedDict):
    name: str
    reason: str


class PendingCall(TypedDict):
    call_id: str
    name: str
    arguments: dict[str, Any]


class ToolCall(TypedDict):
    call_id: str
    name: str
    started_ms: int
    duration_ms: int
    arguments_bytes: int
    output_bytes: int
    outcome: Literal['output', 'error', 'timeout', 'failed', 'abandoned']


class OutputText(TypedDict):
    type: Literal['text']
    stream: Literal['stdout', 'stderr']
    text: str
    invalid_utf8: NotRequired[bool]


class OutputImage(TypedDict):
    type: Literal['image']
    mime_type: Literal[
        'image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/svg+xml'
    ]
    file_id: str
    url: str
    bytes: int
    width: int | None
    height: int | None
    role: Literal['result', 'display']
    data: NotRequired[dict[str, str]]


class Column(TypedDict):
    name: str
    dtype: str


class OutputTable(TypedDict):
    type: Literal['table']
    columns: list[Column]
    rows: list[list[str | float | bool | None]]
    row_count: int
    truncated: bool
    role: Literal['result', 'display']
    data: NotRequired[dict[str, str]]


class X(TypedDict):
    label: str
    scale: str
    ticks: list[str | float | None]
    tick_labels: list[str]
    dtype: NotRequired[Literal['int', 'float']]


class Y(TypedDict):
    label: str
    scale: str
    ticks: list[str | float | None]
    tick_labels: list[str]
    dtype: NotRequired[Literal['int', 'float']]


class Z(TypedDict):
    label: str
    scale: str
    ticks: list[str | float | None]
    tick_labels: list[str]
    dtype: NotRequired[Literal['int', 'float']]


class Axes(TypedDict):
    x: X
    y: Y
    z: NotRequired[Z]


class Box(TypedDict):
    min: str | float | None
    q1: str | float | None
    median: str | float | None
    q3: str | float | None
    max: str | float | None
    outliers: list[str | float | None]


class Series(TypedDict):
    name: str | None
    x: NotRequired[list[str | float | None]]
    y: NotRequired[list[str | float | None]]
    z: NotRequired[list[str | float | None]]
    base: NotRequired[list[str | float | None]]
    labels: NotRequired[list[str]]
    values: NotRequired[list[str | float | None]]
    edges: NotRequired[list[float]]
    boxes: NotRequired[list[Box]]
    rows: NotRequired[list[list[str | float | None]]]
    x_edges: NotRequired[list[str | float | None]]
    y_edges: NotRequired[list[str | float | None]]
    shape: NotRequired[str]


class OutputChart(TypedDict):
    type: Literal['chart']
    kind: Literal[
        'line', 'scatter', 'bar', 'pie', 'box', 'histogram', 'area', 'heatmap', 'other'
    ]
    title: str
    figure_title: str
    projection: NotRequired[str]
    axes: Axes
    series: list[Series]
    truncated: bool


class OutputJson(TypedDict):
    type: Literal['json']
    data: NotRequired[Any]
    mime_type: NotRequired[str]
    role: Literal['result', 'display']


class OutputHtml(TypedDict):
    type: Literal['html']
    text: str
    role: Literal['result', 'display']
    data: NotRequired[dict[str, str]]


class OutputLatex(TypedDict):
    type: Literal['latex']
    text: str
    role: Literal['result', 'display']
    data: NotRequired[dict[str, str]]


class OutputMarkdown(TypedDict):
    type: Literal['markdown']
    text: str
    role: Literal['result', 'display']
    data: NotRequired[dict[str, str]]


class OutputResult(TypedDict):
    type: Literal['result']
    text: str
    json: NotRequired[Any]


class OutputFile(TypedDict):
    type: Literal['file']
    file_id: str
    url: str
    name: str
    mime_type: str
    bytes: int
    sha256: str
    change: Literal['created', 'modified']


class OutputError(TypedDict):
    type: Literal['error']
    name: str
    value: str
    traceback: list[str]
    line: int | None


class EventStarted(TypedDict):
    type: Literal['execution.started']
    attempt: int


class EventToolCall(TypedDict):
    type: Literal['execution.tool_call']
    call_id: str
    name: str
    arguments: dict[str, Any] | None


class EventToolOutput(TypedDict):
    type: Literal['execution.tool_output']
    call_id: str
    outcome: Literal['output', 'error', 'timeout', 'failed', 'abandoned']


Output: TypeAlias = (
    OutputText
    | OutputImage
    | OutputTable
    | OutputChart
    | OutputJson
    | OutputHtml
    | OutputLatex
    | OutputMarkdown
    | OutputResult
    | OutputFile
    | OutputError
)


class EventOutput(TypedDict):
    type: Literal['execution.output']
    output: Output


class Execution(TypedDict):
    type: Literal['code_interpreter_call']
    id: str
    status: Literal[
        'queued',
        'in_progress',
        'requires_action',
        'completed',
        'failed',
        'incomplete',
        'cancelled',
        'errored',
    ]
    cause: (
        Literal[
            'exception',
            'exit',
            'signal',
            'timeout',
            'memory',
            'processes',
            'disk',
            'output',
            'cancelled',
            'sandbox_lost',
            'worker_lost',
        ]
        | None
    )
    evidence: Evidence
    code: str
    container_id: str | None
    outputs: list[Output]
    usage: Usage | None
    truncated: Truncated
    skipped_files: list[SkippedFile]
    pending_calls: NotRequired[list[PendingCall]]
    tool_calls: NotRequired[list[ToolCall]]
    outcome: Literal['never_started', 'ran', 'ran_partly'] | None
    retry_safe: bool
    attempt: int
    created_at: float
    started_at: float | None
    completed_at: float | None
    expires_at: float
    metadata: dict[str, str]
    trace_id: NotRequired[str]


class EventEnded(TypedDict):
    type: Literal['execution.ended']
    execution: Execution


ExecutionEvent: TypeAlias = (
    EventStarted | EventOutput | EventToolCall | EventToolOutput | EventEnded
)
