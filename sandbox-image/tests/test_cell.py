"""A cell runs as Python and notebooks run it: namespace, last expression, await, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cell_driver import IMAGE_FOLDER, run


def test_text_goes_to_stdout_and_makes_no_frame() -> None:
    ran = run("print(1)")
    assert (ran.code, ran.frames, ran.stdout) == (0, [], "1\n")


def test_the_last_expression_is_the_result() -> None:
    ran = run("x = 20\nx * 2 + 2")
    assert ran.only["type"] == "result"
    assert ran.only["text"] == "42"
    assert ran.code == 0


@pytest.mark.parametrize(
    "source", ["x = 1", "None", "1;", "1 ;  # quiet", "(1\n);", "for i in range(2):\n    i", "", "# only a comment", "print()"]
)
def test_none_is_not_shown_as_a_result(source: str) -> None:
    ran = run(source)
    assert (ran.code, ran.frames) == (0, [])


@pytest.mark.parametrize("source", ['";"', '"é;" # ;', "(1,\n 2)", '"""a\n;"""', "1 # ;"])
def test_a_semicolon_inside_the_expression_hides_nothing(source: str) -> None:
    assert run(source).only["text"] == repr(eval(source))


def test_a_result_comes_after_what_was_printed_before_it() -> None:
    ran = run("print('first')\ndisplay([1])\n'last'")
    assert ran.only["at"] == len("first\n[1]\n")


def test_underscore_is_the_last_result() -> None:
    ran = run("41", "_ + 1")
    assert [frame["text"] for frame in ran.frames] == ["41", "42"]


def test_cells_of_one_process_share_their_variables() -> None:
    ran = run("def f(): return x", "x = 'later'", "f()")
    assert ran.frames[-1]["text"] == "'later'"
    assert ran.codes == [0, 0, 0]


def test_a_cell_after_a_failed_one_still_runs() -> None:
    ran = run("x = 1\n1/0", "x")
    assert ran.codes == [1, 0]
    assert ran.types == ["error", "result"]


def test_code_runs_as_the_module_main() -> None:
    ran = run(
        "import sys, pickle, dataclasses\n"
        "@dataclasses.dataclass\nclass P:\n    x: int\n"
        "assert __name__ == '__main__' and sys.modules['__main__'].P is P\n"
        "if __name__ == '__main__':\n    print('main ran')\n"
        "pickle.loads(pickle.dumps(P(3)))"
    )
    assert ran.only["text"] == "P(x=3)"
    assert ran.stdout == "main ran\n"


def test_nothing_of_the_runner_is_in_the_namespace() -> None:
    ran = run("sorted(name for name in globals() if not name.startswith('__'))")
    assert ran.only["text"] == "[]"


def test_multiprocessing_finds_functions_of_the_cell() -> None:
    ran = run(
        "import multiprocessing as mp\ndef double(n): return 2 * n\nwith mp.Pool(2) as pool:\n    made = pool.map(double, [1, 2])\nmade"
    )
    assert ran.only["text"] == "[2, 4]"


def test_inspect_finds_the_source_of_a_function() -> None:
    ran = run("import inspect\ndef f():\n    return 1  # here\nprint(inspect.getsource(f))")
    assert ran.stdout == "def f():\n    return 1  # here\n\n"


def test_await_works_at_top_level_and_as_the_last_expression() -> None:
    ran = run("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5\nx = await f()\nawait f() + x")
    assert ran.only["text"] == "10"


def test_asyncio_run_works_beside_top_level_await() -> None:
    ran = run("import asyncio\nasync def f(): return 1\nawait f()", "asyncio.run(f())", "await f()")
    assert [frame["text"] for frame in ran.frames] == ["1", "1", "1"]


def test_a_task_started_in_one_cell_goes_on_in_the_next() -> None:
    ran = run("import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.01, 'slept'))\nawait asyncio.sleep(0)", "await task")
    assert ran.frames[-1]["text"] == "'slept'"


def test_an_error_after_await_shows_no_frames_of_the_event_loop() -> None:
    ran = run("async def f():\n    raise ValueError('x')\nawait f()")
    assert "asyncio" not in "\n".join(ran.error["traceback"])
    assert ran.error["line"] == 2


def test_a_future_import_applies_to_later_cells() -> None:
    ran = run("from __future__ import annotations", "def f(x: Missing): pass\nf.__annotations__")
    assert ran.only["text"] == "{'x': 'Missing'}"


def test_annotations_are_evaluated_unless_the_code_says_otherwise() -> None:
    assert run("def f(x: int): pass\nf.__annotations__").only["text"] == "{'x': <class 'int'>}"


@pytest.mark.parametrize(
    ("source", "code", "stderr"),
    [
        ("import sys; sys.exit()", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit(256)", 0, ""),
        ("raise SystemExit(True)", 1, ""),
        ("import sys; sys.exit('sorry')", 1, "sorry\n"),
        ("exit(4) if 'exit' in dir(__builtins__) else quit(4)", 4, ""),
    ],
)
def test_exit_ends_as_in_python_and_is_not_an_error(source: str, code: int, stderr: str) -> None:
    ran = run(source)
    assert (ran.code, ran.frames, ran.stderr) == (code, [], stderr)


def test_input_reads_the_program_s_stdin() -> None:
    ran = run("a = input()\nb = input()\nb, a", stdin=b"one\ntwo\n")
    assert ran.only["text"] == "('two', 'one')"


def test_input_at_the_end_of_stdin_is_the_usual_error() -> None:
    assert run("input()").error["name"] == "EOFError"


def test_warnings_go_to_stderr_with_the_line() -> None:
    ran = run("import warnings\nwarnings.warn('careful')")
    assert ran.stderr == "<cell>:2: UserWarning: careful\n  warnings.warn('careful')\n"


def test_no_warning_names_our_files() -> None:
    sources = (
        "import asyncio\nasync def main(): return 1\nawait main()\nasyncio.run(main())",
        "import warnings\nwarnings.warn('w', stacklevel=2)",
        "import warnings\nwith warnings.catch_warnings(record=True) as all:\n    warnings.warn('w', stacklevel=3)\nprint(all[0])",
        "import matplotlib.pyplot as plt\nplt.title('\U000f0001')\nplt.plot([1])",
    )
    for source in sources:
        ran = run(source)
        text = ran.stdout + ran.stderr
        assert text != "" and str(IMAGE_FOLDER) not in text and "/opt/" not in text, text


def test_a_warning_of_the_compiler_comes_once() -> None:
    assert run("x = '\\d'\nx is 'a'").stderr.count("SyntaxWarning") == 2


def test_a_modulo_in_broken_code_is_still_a_syntax_error() -> None:
    assert run("x = (1\n% 2").error["name"] == "SyntaxError"


def test_print_imports_only_builtin_modules_and_linecache() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(IMAGE_FOLDER)!r}); before = set(sys.modules)\n"
        "from runner.code import cell\n"
        "class Channel:\n    def send(self, *frame): pass\n"
        "cell.run_cell('print(1)', Channel(), {})\n"
        "print(sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert set(eval(done.stderr)) <= {
        *("__future__", "_ast", "_json", "_struct", "fcntl", "linecache"),
        *(
            "runner",
            "runner.code",
            "runner.code.cell",
            "runner.code.hooks",
            "runner.code.stream_order",
            "runner.outputs",
            "runner.outputs.sender",
            "runner.wire",
            "runner.wire.jsontext",
            "runner.wire.protocol",
        ),
    }
