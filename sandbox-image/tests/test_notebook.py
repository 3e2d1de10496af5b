"""Code that a notebook accepts and Python does not: prompts, indentation, commands, magics, help."""

from __future__ import annotations

import time

import pytest

from cell_driver import run


@pytest.mark.parametrize(
    ("source", "stdout"),
    [
        ("    import math\n    print(int(math.pi))", "3\n"),
        ("\n\n\tx = 3\n\tprint(x)\n", "3\n"),
        (">>> x = 1\n>>> for i in range(2):\n...     print(i + x)\n", "1\n2\n"),
        ("In [1]: x = 3\n\nIn [2]: print(x)\n", "3\n"),
        ("\ufeffprint('bom')", "bom\n"),
        ("\ufeff%time print('bom')\r\nprint(2)\r\n", "bom\n"),
        ("import sys\n!echo {sys.version_info[0]} $((1 + 1))\nprint('next')", "3 2\nnext\n"),
        ("import math\n!echo {round(math.pi, 2)} $((1 + 1))", "3.14 2\n"),
        ("!echo {unknown}", "{unknown}\n"),
        ("name = 'x1'\nif name:\n    !echo {name}", "x1\n"),
        ("!echo a b | awk '{print $2}'", "b\n"),
        ("files = !printf 'a\\nb'\nprint(files, files.n)", "['a', 'b'] a\nb\n"),
        ("x = %pwd\nprint(type(x).__name__)", "str\n"),
        ("%cd /tmp", "/tmp\n"),
        ("%%bash\nfor i in 1 2; do echo $i; done", "1\n2\n"),
        ("%%sh\r\necho 1\r\n", "1\n"),
        ("%%writefile a.py\nprint('in a')\n", "Writing a.py\n"),
        ("print('%d' % 5)\nx = (7\n% 4)\nprint(x)", "5\n3\n"),
        ("%env A=1\nimport os\nprint(os.environ['A'])", "env: A=1\n1\n"),
        ("a, b = 1, 'x'\n%who", "a\t b\t \n"),
        ("get_ipython().system('echo 1')\nget_ipython().run_line_magic('matplotlib', 'inline')", "1\n"),
        ("%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\n%load_ext autoreload\n%autoreload 2\nprint(1)", "1\n"),
        ("%alias_magic t time\nprint(2)", "Created `%t` as an alias for `%time`.\nCreated `%%t` as an alias for `%%time`.\n2\n"),
        ("%%python3\nprint('other')", "other\n"),
    ],
)
def test_notebook_code_runs(source: str, stdout: str) -> None:
    ran = run(source)
    assert (ran.code, ran.stdout.startswith(stdout), ran.stderr) == (0, True, ""), (ran.stdout, ran.frames)


def test_run_executes_a_script_with_arguments() -> None:
    ran = run("open('s.py', 'w').write('import sys; print(sys.argv[1:], __name__); y = 5');\n%run s.py a b\ny")
    assert (ran.stdout, ran.only["text"]) == ("['a', 'b'] __main__\n", "5")


def test_run_reports_the_error_of_a_script() -> None:
    ran = run("open('s.py', 'w').write('x = 1\\n1/0\\n');\n%run s.py\nprint('never')")
    assert (ran.error["name"], ran.stdout) == ("ZeroDivisionError", "")
    assert any("s.py" in line for line in ran.error["traceback"]) and not any("/opt/" in line for line in ran.error["traceback"])


def test_timeit_runs_as_often_as_it_is_told() -> None:
    ran = run("def slow(): print('ran')\n%timeit -n 1 -r 1 slow()")
    assert ran.stdout.count("ran\n") == 1
    assert run("n = [0]\ndef f(): n[0] += 1\n%timeit -n 10 -r 3 f()\nn[0]").only["text"] == "30"
    assert run("t = %timeit -o -q -n 2 -r 2 pass\nt.loops, t.repeat").only["text"] == "(2, 2)"
    assert run("%%timeit -n 2 -r 1 x = 1\nx += 1").stdout.endswith("2 loops each)\n")
    assert run("x = {'a': 1}\n%timeit -n 1 -r 1 f\"{x['a']}\"").code == 0


def test_time_prints_the_time_and_gives_the_value() -> None:
    ran = run("%time x = 4\nx")
    assert "Wall time" in ran.stdout and ran.only["text"] == "4"
    assert run("%%time\ny = 1\ny + 1").only["text"] == "2"
    assert run("x = {'a': 1}\n%time print(f\"{x['a']}\")").stdout.startswith("1\n")


def test_help_is_an_output() -> None:
    ran = run("import math\nmath.sqrt?\nprint('after')")
    assert "square root" in ran.stdout and ran.stdout.endswith("after\n")
    assert "def f" in run("def f(): return 1\nf??").stdout
    assert "not found" in run("nothing?").stdout


def test_capture_keeps_text_and_displays() -> None:
    source = "%%capture out\nimport sys\nprint('o'); print('e', file=sys.stderr); display({'text/html': '<b>1</b>'}, raw=True); 2\n"
    ran = run(source, "(out.stdout, out.stderr, len(out.outputs))", "out.show()")
    assert ran.stderr == "e\n" and ran.stdout == "o\n"
    assert [shown["text"] for shown in ran.displays] == ["('o\\n', 'e\\n', 2)", "<b>1</b>", "2"]
    failed = run("%%capture out\nprint('before')\n1/0", "out.stdout")
    assert [shown["text"] for shown in failed.displays] == ["'before\\n'"] and failed.codes == [1, 0]
    assert run("%%capture --no-stdout\nprint('kept')").stdout == "kept\n"
    assert run("%%capture\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])").displays == []


def test_installing_packages_is_refused_with_the_reason() -> None:
    for source in (
        "!pip install polars",
        "%pip install polars",
        "!python3 -m pip install -q polars",
        "import sys\n!{sys.executable} -m pip install polars",
        "%conda install polars",
    ):
        ran = run(source + "\n1")
        assert ran.stderr.count("\n") == 1 and "there is no network" in ran.stderr
        assert ran.only["text"] == "1"


@pytest.mark.parametrize("source", ["%sql select 1", "%debug", "%edit x", "%%sql\nselect 1", "%history", "%%timeit x", "%who_is"])
def test_magics_without_sense_here_say_so_in_one_line(source: str) -> None:
    ran = run(source, "print('next')")
    assert ran.codes == [0, 0] and ran.stdout == "next\n"
    assert ran.stderr.count("\n") == 1, ran.stderr


def test_errors_have_the_lines_of_the_cell() -> None:
    assert run("\n\n!true\n1/0").error["line"] == 4
    assert run("\n%%time\nx = 1\n1/0").error["line"] == 4
    assert run("    x = 1\n    1/0").error["line"] == 2
    assert run("%%capture\nx = 1\n1/0").error["line"] == 3
    assert run("!true\nx = (1").error["line"] == 2


def test_broken_python_is_a_syntax_error() -> None:
    for source in ("x = (1\n% 2", "x = 'abc", "def f(:\n  pass", "if x:\nprint(1)", "'''", "x = 1 +", "print 'a'"):
        ran = run(source)
        assert ran.error["name"] in ("SyntaxError", "IndentationError") and ran.stderr == ""
        assert "During handling" not in "\n".join(ran.error["traceback"])


def test_notebook_lines_are_cheap() -> None:
    """IPython's package takes half a second to import, which plain lines must not cost."""
    modules = "import sys; print('IPython.terminal' in sys.modules, 'traitlets' in sys.modules, 'IPython' in sys.modules)"
    ran = run(f"%matplotlib inline\n!true\n%time 1\n%cd /tmp\n{modules}")
    assert ran.stdout.endswith("False False False\n")
    assert run("!true\nimport IPython\nfrom IPython.display import HTML\ndisplay(HTML('<b>x</b>'))").only["type"] == "html"


def test_a_shell_does_not_look_like_a_jupyter_frontend() -> None:
    source = "from tqdm.auto import tqdm\nimport IPython\nprint(IPython.get_ipython(), get_ipython().__class__.__name__)"
    assert run(source.split("\n", 1)[1]).stdout == "None Shell\n"


def test_many_commands_are_one_cell() -> None:
    started = time.monotonic()
    ran = run("\n".join(["x = 1", "!true"] * 40) + "\nx")
    assert ran.only["text"] == "1" and time.monotonic() - started < 10
