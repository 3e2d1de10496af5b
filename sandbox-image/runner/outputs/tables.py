"""Table outputs: the first rows and columns of a data frame as JSON scalars."""

from __future__ import annotations

import sys

from runner.outputs import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runner.outputs.sender import Outputs

# One long cell must not displace the other rows.
_CELL_BYTES_MAX = 4096
_NAME_BYTES_MAX = 256


def show_table(value: Any, outputs: Outputs, role: str) -> bool:
    """Shows a pandas or polars DataFrame or Series as a table, with its text and HTML forms."""
    if type(value).__module__.startswith("polars"):
        columns, names_left_out, row_count = _polars_columns(value, outputs)
    else:
        columns, names_left_out, row_count = _pandas_columns(value, outputs)
    data = _forms(value, outputs)
    # Rows get half of an output's size, so that the other forms fit too.
    rows, complete = _rows(columns, min(row_count, outputs.table_rows), outputs.display_bytes // 2)
    head = {
        "type": "table",
        "columns": [{"name": name, "dtype": dtype} for name, dtype, _ in columns],
        "rows": rows,
        "row_count": row_count,
        "truncated": names_left_out or not complete or len(rows) < row_count,
        "role": role,
        "data": data,
    }
    return outputs.show(head)


def _pandas_columns(value: Any, outputs: Outputs) -> tuple[list[tuple[str, str, list[Any]]], bool, int]:
    pandas = sys.modules["pandas"]
    is_series = value.ndim == 1
    rows_max, columns_max = outputs.table_rows, outputs.table_columns
    index = value.index[:rows_max]
    columns: list[tuple[str, str, list[Any]]] = []
    if not _is_plain_range(value.index, pandas):
        for level in range(value.index.nlevels):
            name = value.index.names[level]
            unnamed = "index" if value.index.nlevels == 1 else f"level_{level}"
            level_values = index.get_level_values(level)
            columns.append((_name(name, unnamed), str(level_values.dtype), _values(level_values)))
    if is_series:
        columns.append((_name(value.name, "value"), str(value.dtype), _values(value.iloc[:rows_max])))
        return columns[:columns_max], len(columns) > columns_max, len(value)
    shown = value.iloc[:rows_max, : max(columns_max - len(columns), 0)]
    left_out = len(columns) + value.shape[1] > columns_max
    for position in range(shown.shape[1]):
        column = shown.iloc[:, position]
        columns.append((_name(shown.columns[position], ""), str(column.dtype), _values(column)))
    return columns[:columns_max], left_out, len(value)


def _is_plain_range(index: Any, pandas: Any) -> bool:
    """Returns whether the index is the default row numbers."""
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def _polars_columns(value: Any, outputs: Outputs) -> tuple[list[tuple[str, str, list[Any]]], bool, int]:
    frame = value.to_frame() if hasattr(value, "to_frame") else value
    names = list(frame.columns)
    columns: list[tuple[str, str, list[Any]]] = []
    for name in names[: outputs.table_columns]:
        series = frame.get_column(name)
        columns.append((_name(name, ""), str(series.dtype), series.head(outputs.table_rows).to_list()))
    return columns, len(columns) < len(names), int(frame.height)


def _name(name: Any, unnamed: str) -> str:
    if name is None:
        return unnamed
    if isinstance(name, tuple):
        # A column of several levels, as groupby().agg() makes them.
        return " / ".join(part for part in (_name(part, "") for part in name) if part)
    return str(sanitize.scalar(name, _NAME_BYTES_MAX))


def _values(column: Any) -> list[Any]:
    values = column.tolist()
    return values if isinstance(values, list) else list(values)


def _rows(columns: list[tuple[str, str, list[Any]]], count: int, bytes_max: int) -> tuple[list[list[sanitize.Scalar]], bool]:
    """Returns the rows that fit, and whether they are all rows, uncut."""
    rows: list[list[sanitize.Scalar]] = []
    complete = True
    room = bytes_max
    values = [column for _, _, column in columns]
    for number in range(count):
        row = [sanitize.scalar(column[number], _CELL_BYTES_MAX) for column in values]
        for cell in row:
            room -= 8 if type(cell) is not str else len(cell) + 3
            if type(cell) is str and len(cell) > _CELL_BYTES_MAX // 4 and cell.endswith(sanitize.CUT):
                complete = False
        if room < 0:
            return rows, False
        rows.append(row)
    return rows, complete


def _forms(value: Any, outputs: Outputs) -> dict[str, str]:
    forms = {"text/plain": sanitize.bounded_repr(value, outputs.text_value_bytes)}
    make_html = getattr(value, "_repr_html_", None)
    try:
        html = make_html() if make_html is not None else None
    except Exception:
        # The table is complete without the HTML form.
        html = None
    if isinstance(html, str) and len(html) <= outputs.text_value_bytes:
        forms["text/html"] = sanitize.text(html, outputs.text_value_bytes)
    return forms
