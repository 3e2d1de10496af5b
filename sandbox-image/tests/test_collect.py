"""Which files are sent, and that no trick with the file system hangs, leaks or breaks the collection."""

from __future__ import annotations

import os
import textwrap
import time

import pytest

from runner.files.file_names import name_problem, printable
from runner.files.inputs import InputFiles
from sandbox_driver import Sandbox, run


def test_created_and_modified_files_are_sent_and_unchanged_ones_are_not() -> None:
    code = """
    import os
    open("b.txt", "w").write("new")
    os.makedirs("sub/deep")
    open("sub/deep/a.bin", "wb").write(bytes(range(256)))
    open("in/changed.csv", "r+").write("X")
    open("read.csv").read()
    os.chmod("read.csv", 0o600)
    """
    result = run(textwrap.dedent(code), files={"in/changed.csv": b"a,b", "read.csv": b"1", "gone.csv": b""})
    assert result.files == {"b.txt": b"new", "in/changed.csv": b"X,b", "sub/deep/a.bin": bytes(range(256))}
    assert list(result.files) == sorted(result.files)
    assert result.changes == {"b.txt": "created", "in/changed.csv": "modified", "sub/deep/a.bin": "created"}
    assert result.done["skipped_files"] == [] and result.done["files_truncated"] is False


def test_a_file_of_the_same_size_written_at_once_is_modified() -> None:
    assert run("open('a', 'r+').write('y')", files={"a": b"x"}).changes == {"a": "modified"}


def test_an_input_that_was_replaced_is_modified() -> None:
    assert run("import os; open('b', 'w').write('x'); os.rename('b', 'a')", files={"a": b"x"}).changes == {"a": "modified"}


def test_hidden_files_and_caches_are_never_sent() -> None:
    code = """
    import os
    for folder in (".cache", "__pycache__", "sub/.ipynb_checkpoints", "sub/__pycache__"):
        os.makedirs(folder); open(folder + "/x", "w").write("x")
    open(".hidden", "w").write("x")
    """
    result = run(textwrap.dedent(code))
    assert result.files == {} and result.done["skipped_files"] == [] and not result.done["files_truncated"]


def test_only_regular_files_are_sent_and_all_others_have_a_reason() -> None:
    code = """
    import os, socket
    os.symlink("/etc/passwd", "link")
    os.symlink("/etc", "linked_folder")
    os.symlink("nowhere", "dangling")
    os.symlink("loop", "loop")
    os.mkfifo("fifo")
    socket.socket(socket.AF_UNIX).bind("socket")
    open("fine.txt", "w").write("fine")
    """
    result = run(textwrap.dedent(code))
    assert result.files == {"fine.txt": b"fine"}
    assert result.reasons == {
        "dangling": "it is a symbolic link",
        "link": "it is a symbolic link",
        "linked_folder": "it is a symbolic link",
        "loop": "it is a symbolic link",
        "fifo": "it is not a regular file",
        "socket": "it is not a regular file",
    }


def test_a_folder_swapped_for_a_link_is_not_followed() -> None:
    code = "import os, shutil\nshutil.rmtree('in')\nos.symlink('/etc', 'in')"
    result = run(code, files={"in/passwd": b"mine"})
    assert result.files == {} and result.reasons == {"in": "it is a symbolic link"}


def test_a_file_with_two_names_is_sent_once() -> None:
    result = run("import os\nopen('a', 'w').write('x')\nos.link('a', 'b')\nos.link('a', 'c')")
    assert result.files == {"a": b"x"}
    assert result.reasons == {"b": "it is the same file as a", "c": "it is the same file as a"}


def test_a_large_sparse_file_is_skipped_and_a_small_one_is_sent_whole() -> None:
    code = "import os\nfor name, size in (('giant', 1 << 50), ('small', 5000)):\n    open(name, 'wb').truncate(size)"
    began = time.monotonic()
    result = run(code)
    assert result.files == {"small": bytes(5000)}
    assert result.reasons == {"giant": f"it has {1 << 50} bytes, more than {32 << 20}"}
    assert result.done["files_truncated"] and time.monotonic() - began < 5


def test_odd_names_are_skipped_with_a_printable_reason() -> None:
    code = r"""
    import os
    for name in (b"new\nline", b"back\\slash", b"\xff\xfe", b"tab\t", b"\x1b[31mred", "\u202egnp.exe".encode(), "Zoë 売上.csv".encode(), b"n" * 255):
        open(b"/mnt/data/" + name, "w").write("x")
    """
    result = run(textwrap.dedent(code))
    assert set(result.files) == {"Zoë 売上.csv", "n" * 255, "\u202egnp.exe"}
    assert result.reasons == {
        "new\ufffdline": "its name has control characters or backslashes",
        "back\\slash": "its name has control characters or backslashes",
        "\ufffd\ufffd": "its name is not UTF-8",
        "tab\ufffd": "its name has control characters or backslashes",
        "\ufffd[31mred": "its name has control characters or backslashes",
    }


def test_a_deep_tree_is_cut_at_the_depth_limit() -> None:
    code = """
    import os
    for depth in range(1000):
        open(f"file{depth}", "w").write("x")
        os.mkdir("d")
        os.chdir("d")
    """
    result = run(textwrap.dedent(code))
    assert len(result.files) == 8 and "d/" * 7 + "file7" in result.files
    assert result.reasons == {"d/" * 7 + "d": "it lies deeper than 8 folders"}


def test_many_thousand_files_are_cut_at_the_limits_in_time() -> None:
    began = time.monotonic()
    result = run("for i in range(20000): open(f'{i:05}', 'w').close()", timeout_ms=20_000)
    assert len(result.files) == 32 and result.done["files_truncated"]
    assert len(result.done["skipped_files"]) == 64 and time.monotonic() - began < 15


def test_count_and_bytes_are_limits_at_and_above() -> None:
    code = "for name in 'abc': open(name, 'w').write('x' * 100)"
    whole = run(code, files_count=3, file_bytes=100, files_bytes=300)
    assert len(whole.files) == 3 and not whole.done["files_truncated"]
    for cut in (run(code, files_count=2), run(code, files_bytes=299)):
        assert list(cut.files) == ["a", "b"] and cut.done["files_truncated"] and list(cut.reasons) == ["c"]
    assert run(code, file_bytes=99).files == {}


def test_an_unreadable_folder_has_a_reason() -> None:
    code = "import os\nos.mkdir('shut')\nopen('shut/a', 'w')\nos.chmod('shut', 0)\nopen('b', 'w').write('x')\nos.chmod('b', 0)"
    result = run(code)
    assert result.files == {} and result.reasons == {"shut/": "the folder cannot be opened", "b": "it cannot be opened"}


def test_files_are_collected_after_every_kind_of_end() -> None:
    for ending, end in (("1/0", "exception"), ("while True: pass", "timeout"), ("import os; os.abort()", "signal")):
        result = run(f"open('a', 'w').write('x')\n{ending}", timeout_ms=400)
        assert result.files == {"a": b"x"} and result.done["end"] == end


def test_files_that_a_stuck_worker_does_not_read_are_skipped_in_time() -> None:
    with Sandbox() as sandbox:
        sandbox.start("open('a', 'wb').write(bytes(8 << 20)); open('b', 'w').write('x')", collect_timeout_ms=300)
        time.sleep(1)
        frames = sandbox.read_until("done")
    assert frames[-1].head["files_truncated"] is True
    assert [frame.head["complete"] for frame in frames if frame.kind == "file_end"] == [False]


def test_a_large_file_is_received_and_sent_whole() -> None:
    data = os.urandom(1 << 20) * 5
    assert run("open('out', 'wb').write(open('in', 'rb').read())", files={"in": data}).files == {"out": data}


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "n\0", "a\\b", "x" * 256, "a/" * 8 + "b", "\ud800", 7]
)
def test_input_names_must_be_plain_relative_paths(name: object, tmp_path: object) -> None:
    with pytest.raises(ValueError):
        InputFiles(str(tmp_path)).begin(name)


@pytest.mark.parametrize("name", ["a", "a/b/c.txt", "Zoë.csv", "売上/一.png", ".hidden", "a b", "é" * 127])
def test_ordinary_input_names_are_accepted(name: str, tmp_path: object) -> None:
    assert name_problem(name) is None
    files = InputFiles(str(tmp_path))
    files.begin(name)
    files.write(b"data")
    files.end()
    with open(f"{tmp_path}/{name}", "rb") as file:
        assert file.read() == b"data"


def test_a_bad_order_of_file_frames_is_refused(tmp_path: object) -> None:
    files = InputFiles(str(tmp_path))
    with pytest.raises(ValueError):
        files.write(b"x")
    with pytest.raises(ValueError):
        files.end()
    files.begin("a")
    with pytest.raises(ValueError):
        files.begin("b")


def test_printable_names_have_limited_length() -> None:
    assert len(printable("x" * 10_000)) == 255 and printable("a\x00\ud800b") == "a\ufffd\ufffdb"
