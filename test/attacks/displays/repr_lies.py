# attack: shows values whose methods lie, raise, recurse and return wrong types
# verdict: completed
# prints: blocked
class Liar:
    def __init__(self, answer):
        self.answer = answer

    def __repr__(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    __str__ = _repr_html_ = _repr_png_ = _repr_mimebundle_ = _repr_latex_ = _repr_json_ = _repr_svg_ = __repr__

    @property
    def __class__(self):
        raise RuntimeError("no class")


class Text(str):
    def __str__(self):
        return 7

    def __len__(self):
        return -1

    def encode(self, *_):
        raise ValueError

    def __getitem__(self, _):
        raise KeyError


for answer in (7, None, b"bytes", Text("text"), "\ud800", "x" * 10**6, SystemExit(3), GeneratorExit(), MemoryError(), RecursionError(), OSError(28, "full"),
               {"text/html": 7}, {"image/png": "!!!"}, {7: "x"}, {"text/html": Text("x")}, ("a", {}), {"application/json": {"a": {1, 2}}}):
    try:
        display(Liar(answer))
    except Exception as error:
        print("raised", type(error).__name__)
print("blocked")
Liar(Text("last"))
