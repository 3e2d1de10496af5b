"""Errors are as Python prints them, without frames of the runner, limited in size, for any exception."""

from __future__ import annotations

import pytest

from cell_driver import run


def test_an_error_has_name_value_line_and_traceback() -> None:
    ran = run("def f():\n    raise ValueError('bad')\n\nf()")
    assert ran.code == 1
    assert {**ran.error, "at": 0} == {
        "name": "ValueError",
        "value": "bad",
        "line": 2,
        "errno": None,
        "at": 0,
        "traceback": [
            "Traceback (most recent call last):",
            '  File "<cell>", line 4, in <module>',
            "    f()",
            "    ~^^",
            '  File "<cell>", line 2, in f',
            "    raise ValueError('bad')",
            "ValueError: bad",
        ],
    }
    assert ran.stderr == ""


def test_a_syntax_error_has_its_line() -> None:
    error = run("x = 1\nif x\n  pass").error
    assert (error["name"], error["line"]) == ("SyntaxError", 2)
    assert error["traceback"][0] == '  File "<cell>", line 2'


def test_a_syntax_error_beside_a_shell_line_is_shown_once() -> None:
    error = run("!true\nif x").error
    assert (error["name"], error["line"]) == ("SyntaxError", 2)
    assert sum("SyntaxError" in line for line in error["traceback"]) == 1


def test_a_syntax_error_in_evaluated_code_has_the_line_of_the_cell() -> None:
    assert run("\n\neval('1 +')").error["line"] == 3


def test_the_line_is_the_deepest_in_the_code_itself() -> None:
    error = run("import json\n\njson.loads('{')").error
    assert error["line"] == 3
    assert any("json/decoder.py" in line for line in error["traceback"])


def test_an_os_error_carries_its_errno() -> None:
    assert run("open('/nowhere/file')").error["errno"] == 2
    assert run("raise OSError('text alone')").error["errno"] is None


def test_chains_and_groups_are_shown_whole() -> None:
    chained = run("try:\n    1/0\nexcept Exception as e:\n    raise KeyError('x') from e").error
    assert "The above exception was the direct cause of the following exception:" in chained["traceback"]
    assert not any("runner" in line for line in chained["traceback"])
    group = run("raise ExceptionGroup('both', [ValueError('one'), TypeError('two')])").error
    assert any("ValueError: one" in line for line in group["traceback"])
    assert any("TypeError: two" in line for line in group["traceback"])


def test_a_recursion_error_stays_short() -> None:
    error = run("def f(n): return f(n + 1)\nf(0)").error
    assert error["name"] == "RecursionError"
    assert len(error["traceback"]) < 30


def test_a_long_traceback_keeps_head_and_tail() -> None:
    error = run("def f(n): return g(n)\ndef g(n): return f(n)\nf(0)", traceback_lines=20).error
    assert len(error["traceback"]) == 20
    assert error["traceback"][0] == "Traceback (most recent call last):"
    assert error["traceback"][-1].startswith("RecursionError")
    assert sum("lines …" in line for line in error["traceback"]) == 1


def test_a_huge_message_is_cut() -> None:
    ran = run("raise ValueError('x' * 100_000_000)", text_value_bytes=1000)
    assert len(ran.error["value"]) <= 1001
    assert sum(map(len, ran.error["traceback"])) < 10_000


@pytest.mark.parametrize("body", ["raise RuntimeError", "return 3", "raise SystemExit(0)", "return self.missing", "raise self"])
def test_an_exception_that_cannot_be_printed_is_still_an_error(body: str) -> None:
    ran = run(f"class Odd(Exception):\n    def __str__(self):\n        {body}\nraise Odd()")
    assert ran.code == 1
    assert (ran.error["name"], ran.error["line"]) == ("Odd", 4)
    assert ran.error["value"] == "<exception str() failed>"


def test_exceptions_that_lie_about_themselves_are_still_errors() -> None:
    ran = run(
        "class Meta(type):\n    @property\n    def __name__(cls): raise RuntimeError\n    def __getattribute__(cls, name): raise RuntimeError\n"
        "class Liar(Exception, metaclass=Meta): pass\nraise Liar('x')"
    )
    assert ran.code == 1
    assert ran.error["name"] == "Liar"


def test_a_syntax_error_with_invalid_attributes_is_still_an_error() -> None:
    ran = run("raise SyntaxError('m', (1, 'two', [], object()))")
    assert (ran.code, ran.error["name"]) == (1, "SyntaxError")


def test_text_that_is_not_unicode_is_replaced() -> None:
    ran = run("raise ValueError('a\\ud800b')")
    assert ran.error["value"] == "a\ufffdb"


def test_an_interrupt_is_an_error_with_its_own_exit_code() -> None:
    ran = run("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass", "'alive'")
    assert ran.codes == [130, 0]
    assert ran.frames[0]["name"] == "KeyboardInterrupt"
    assert ran.frames[1]["text"] == "'alive'"


def test_an_exception_of_another_cell_names_that_cell() -> None:
    ran = run("def f(): 1/0", "\nf()")
    assert ran.error["line"] == 2
    assert '  File "<cell>", line 1, in f' in ran.error["traceback"]
    assert '  File "<cell 2>", line 2, in <module>' in ran.error["traceback"]
