"""Data frames and series become tables of JSON scalars, limited in every dimension."""

from __future__ import annotations

import pandas  # noqa: F401  (loaded before the fork, as the supervisor does)
import pytest

from cell_driver import run

PANDAS = "import pandas as pd, numpy as np, datetime, decimal\n"


def test_a_frame_is_a_table_with_its_types_and_other_forms() -> None:
    ran = run(
        PANDAS
        + "pd.DataFrame({'i': [1, 2], 'f': [1.5, None], 's': ['x', None], 'b': [True, False], 't': pd.to_datetime(['2024-01-02', None])})"
    )
    table = ran.only
    assert table["columns"] == [
        {"name": "i", "dtype": "int64"},
        {"name": "f", "dtype": "float64"},
        {"name": "s", "dtype": "object"},
        {"name": "b", "dtype": "bool"},
        {"name": "t", "dtype": "datetime64[ns]"},
    ]
    assert table["rows"] == [[1, 1.5, "x", True, "2024-01-02T00:00:00"], [2, None, None, False, None]]
    assert (table["row_count"], table["truncated"], table["role"]) == (2, False, "result")
    assert table["data"]["text/plain"].startswith("   i    f")
    assert "<table" in table["data"]["text/html"]


def test_a_displayed_frame_has_the_role_display() -> None:
    assert run(PANDAS + "display(pd.DataFrame({'a': [1]}))").only["role"] == "display"


def test_a_series_is_a_table_of_index_and_value() -> None:
    table = run(PANDAS + "pd.Series([1, 2], index=['x', 'y'], name='n')").only
    assert [column["name"] for column in table["columns"]] == ["index", "n"]
    assert table["rows"] == [["x", 1], ["y", 2]]
    assert run(PANDAS + "pd.Series([3, 4])").only["rows"] == [[3], [4]]
    assert run(PANDAS + "pd.Series([3, 4])").only["columns"][0]["name"] == "value"


def test_an_index_with_data_comes_before_the_columns() -> None:
    named = run(PANDAS + "pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}).groupby('k').sum()").only
    assert [column["name"] for column in named["columns"]] == ["k", "v"]
    assert named["rows"] == [["a", 4], ["b", 2]]
    several = run(PANDAS + "pd.DataFrame({'v': [1]}, index=pd.MultiIndex.from_tuples([('a', 1)], names=['one', None]))").only
    assert [column["name"] for column in several["columns"]] == ["one", "level_1", "v"]
    filtered = run(PANDAS + "df = pd.DataFrame({'v': [1, 2]})\ndf[df.v > 1]").only
    assert filtered["rows"] == [[1, 2]]


def test_columns_of_several_levels_are_joined() -> None:
    table = run(PANDAS + "pd.DataFrame({'k': [1], 'v': [2]}).groupby('k').agg({'v': ['min', 'max']})").only
    assert [column["name"] for column in table["columns"]] == ["k", "v / min", "v / max"]


def test_cells_that_json_cannot_represent_become_text_or_null() -> None:
    table = run(
        PANDAS
        + "pd.DataFrame({'x': [np.inf, np.nan, pd.NA, pd.NaT, decimal.Decimal('1.10'), datetime.date(2024, 1, 2), datetime.time(3, 4),"
        " 2**60, [1, 2], b'b', pd.Timedelta('1h'), pd.Timestamp('2024-01-02', tz='UTC'), np.int8(4), 1j, '\\ud800']}, dtype=object)"
    ).only
    assert [row[0] for row in table["rows"]] == [
        None, None, None, None, "1.10", "2024-01-02", "03:04:00", str(2**60), "[1, 2]", "b'b'",
        "0 days 01:00:00", "2024-01-02T00:00:00+00:00", 4, "1j", "\ufffd",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("pd.array([1, None], dtype='Int64')", [1, None]),
        ("pd.Categorical(['a', None])", ["a", None]),
        ("pd.period_range('2024-01', periods=2, freq='M')", ["2024-01", "2024-02"]),
        ("pd.array(['a', None], dtype='string')", ["a", None]),
        ("pd.arrays.SparseArray([0, 1])", [0, 1]),
        ("pd.interval_range(0, 2)", ["(0, 1]", "(1, 2]"]),
    ],
)
def test_extension_columns_are_scalars_too(column: str, cells: list[object]) -> None:
    assert [row[0] for row in run(PANDAS + f"pd.DataFrame({{'x': {column}}})").only["rows"]] == cells


def test_rows_and_columns_are_limited_and_counted() -> None:
    table = run(PANDAS + "pd.DataFrame(np.zeros((5000, 300)))", table_rows=10, table_columns=5).only
    assert (len(table["rows"]), len(table["rows"][0]), len(table["columns"])) == (10, 5, 5)
    assert (table["row_count"], table["truncated"]) == (5000, True)


def test_bytes_are_limited_for_all_kinds_of_cells() -> None:
    table = run(PANDAS + "pd.DataFrame({'x': ['y' * 10**6] * 100})", display_bytes=50_000, text_value_bytes=10_000).only
    assert table["truncated"] is True
    assert 0 < len(table["rows"]) < 10
    assert len(str(table)) < 50_000


def test_an_empty_frame_is_an_empty_table() -> None:
    table = run(PANDAS + "pd.DataFrame()").only
    assert (table["columns"], table["rows"], table["row_count"], table["truncated"]) == ([], [], 0, False)
    assert run(PANDAS + "pd.DataFrame({'a': np.array([], dtype=float)})").only["columns"] == [{"name": "a", "dtype": "float64"}]


def test_columns_with_the_same_name_are_both_kept() -> None:
    table = run(PANDAS + "pd.DataFrame([[1, 2]], columns=['a', 'a'])").only
    assert table["rows"] == [[1, 2]]


def test_a_frame_with_hostile_cells_is_still_a_table() -> None:
    ran = run(
        PANDAS
        + "class Bad:\n    def __str__(self): raise ValueError('no')\n    __repr__ = __str__\n    def __eq__(self, other): raise ValueError\n    __hash__ = None\n"
        "pd.DataFrame({'x': [Bad(), 1]}, dtype=object)"
    )
    assert ran.only["rows"] == [["<Bad object; its str failed with ValueError>"], [1]]


def test_a_styler_is_html_and_a_group_is_a_result() -> None:
    assert run(PANDAS + "pd.DataFrame({'a': [1]}).style").only["type"] == "html"
    assert run(PANDAS + "pd.DataFrame({'a': [1]}).groupby('a')").only["type"] == "result"


def test_an_index_or_a_dict_of_frames_is_a_result() -> None:
    assert run(PANDAS + "pd.Index([1, 2])").only["type"] == "result"
    assert run(PANDAS + "{'k': pd.Series([1])}").only["type"] == "result"
