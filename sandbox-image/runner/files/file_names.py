"""The rule for names of files in the working folder, incoming and outgoing. The worker checks the same rule."""

from __future__ import annotations

NAME_CHARS_MAX = 255
NAME_PART_BYTES_MAX = 255
DEPTH_MAX = 8


def name_problem(name: str) -> str | None:
    """Returns why `name` is not a relative path of ordinary names; None if it is."""
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        return f"its name has more than {NAME_CHARS_MAX} characters" if name else "its name is empty"
    if any(char < " " or char in "\x7f\\" for char in name):
        return "its name has control characters or backslashes"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    parts = name.split("/")
    if len(parts) > DEPTH_MAX:
        return f"it lies deeper than {DEPTH_MAX} folders"
    if any(part in ("", ".", "..") for part in parts):
        return "its name is not a plain relative path"
    if any(len(part.encode("utf-8")) > NAME_PART_BYTES_MAX for part in parts):
        return f"a part of its name has more than {NAME_PART_BYTES_MAX} bytes"
    return None


def printable(name: str) -> str:
    """Returns any name in a safe form of limited length."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in name[:NAME_CHARS_MAX])
    return shown if len(name) <= NAME_CHARS_MAX else shown[:-1] + "…"
