# attack: shows tables of hostile cells, names and index
# verdict: completed
# prints: before
# timeout_ms: 20000
import pandas


class Cell:
    def __repr__(self):
        raise SystemExit(0)

    __str__ = __hash__ = __eq__ = __repr__


print("before")
display(pandas.DataFrame({"\ud800": ["\udfff", float("nan"), float("inf"), 2**80, b"\xff"], "same": 1}))
display(pandas.DataFrame([[1, 2], [3, 4]], columns=["same", "same"]))
display(pandas.Series([Cell(), [Cell()], {1: Cell()}, "x" * 10**6], dtype=object))
display(pandas.DataFrame())
pandas.DataFrame([[None]], columns=["x" * 10**6])
