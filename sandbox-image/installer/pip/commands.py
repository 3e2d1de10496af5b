"""What the stand-in for pip does. conda, uv and their kind are links to the same program."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LIST = "`pip list` shows what is installed, and so does GET /v1/packages"
_INSTALLS = ("install", "add", "download", "wheel", "create", "update", "upgrade", "sync", "lock", "inject", "run")
# Options that take a value as their next word.
_WITH_VALUE = re.compile(
    r"-[cefirtn]|--(?:index-url|extra-index-url|find-links|target|prefix|root|platform|python|channel|timeout|name|src|retries|proxy|cert|trusted-host|upgrade-strategy|only-binary|no-binary)"
)
# Other distributions with the same modules as one of ours.
_SAME = {
    "opencv-python": "opencv-python-headless",
    "opencv-contrib-python": "opencv-python-headless",
    "opencv-contrib-python-headless": "opencv-python-headless",
    "psycopg2-binary": "psycopg2",
    "fpdf": "fpdf2",
    "pycrypto": "pycryptodome",
    "pypdfium": "pypdfium2",
    "xlsxwriter": "XlsxWriter",
}


def run(words: list[str], program: str = "pip") -> int:
    """Runs a command of pip, or of the program of this name, and returns the exit code."""
    if program == "uv" and words[:1] == ["pip"]:
        words = words[1:]
    if "--version" in words or "-V" in words[:1]:
        print(f"{program}: a stand-in without network; {_LIST}")
        return 0
    name = next((word for word in words if not word.startswith("-")), "help")
    rest = words[words.index(name) + 1 :] if name in words else []
    if name == "list":
        return _list(rest)
    if name == "freeze":
        return _print_each(f"{found}=={version}" for found, version in installed())
    if name == "show":
        return _show([word for word in rest if not word.startswith("-")])
    if name == "check":
        print("No broken requirements found.")
        return 0
    if name == "help":
        print(f"{program} list, show and freeze work. Nothing can be installed: there is no network. {_LIST}.")
        return 0
    if name in _INSTALLS:
        return _install(rest, program)
    print(f"ERROR: {program} {name}: packages cannot be changed here, and there is no network; {_LIST}", file=sys.stderr)
    return 1


def installed() -> list[tuple[str, str]]:
    """Name and version of each installed distribution, sorted by name."""
    found: dict[str, tuple[str, str]] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            # The first on the path is the one that is imported.
            found.setdefault(_normal(name), (name, distribution.version.partition("+")[0]))
    return [found[key] for key in sorted(found)]


def _list(options: list[str]) -> int:
    rows = installed()
    if any("json" in option for option in options):
        print(json.dumps([{"name": name, "version": version} for name, version in rows]))
        return 0
    if any("freeze" in option for option in options):
        return _print_each(f"{name}=={version}" for name, version in rows)
    width = max([len("Package"), *(len(name) for name, _ in rows)])
    longest = max([len("Version"), *(len(version) for _, version in rows)])
    head = [f"{'Package':{width}} Version", f"{'-' * width} {'-' * longest}"]
    return _print_each([*head, *(f"{name:{width}} {version}" for name, version in rows)])


def _show(names: list[str]) -> int:
    known = {_normal(name): (name, version) for name, version in installed()}
    missing = [name for name in names if _normal(name) not in known]
    parts = []
    for name in names:
        if name in missing:
            continue
        title, version = known[_normal(name)]
        metadata = importlib.metadata.metadata(title)
        lines = [
            f"Name: {title}",
            f"Version: {version}",
            *(f"{key}: {metadata.get(key) or ''}" for key in ("Summary", "Home-page", "License")),
        ]
        location = str(importlib.metadata.distribution(title).locate_file(""))
        parts.append("\n".join([*lines, f"Location: {location.rstrip('/')}"]))
    if parts:
        print("\n---\n".join(parts))
    if missing:
        print(f"WARNING: Package(s) not found: {', '.join(missing)}", file=sys.stderr)
    return 0 if parts else 1


def _install(words: list[str], program: str) -> int:
    """Like pip, succeeds when everything that is asked for is there."""
    known = {_normal(name): (name, version) for name, version in installed()}
    for module, names in importlib.metadata.packages_distributions().items():
        known.setdefault(_normal(module), known.get(_normal(names[0]), (names[0], "")))
    missing = []
    satisfied = []
    wanted = _requirements(words)
    for requirement in wanted:
        found = _found(requirement, known)
        if found is None:
            missing.append(requirement)
        else:
            satisfied.append(f"Requirement already satisfied: {requirement} ({found[0]} {found[1]})")
    if wanted and not missing:
        return _print_each(satisfied)
    what = f" ({', '.join(missing)[:300]})" if missing else ""
    print(f"ERROR: {program} cannot install packages{what}: there is no network; {_LIST}", file=sys.stderr)
    return 1


def _requirements(words: list[str]) -> list[str]:
    found: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-r", "--requirement") and words:
            found.extend(_read(words.pop(0)))
        elif word.startswith("-"):
            if _WITH_VALUE.fullmatch(word) and words:
                words.pop(0)
        else:
            found.append(word)
    return found


def _read(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.split(" #")[0].strip() for line in file]
    except OSError:
        return [path]
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def _found(requirement: str, known: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """The distribution that meets a requirement such as `pandas>=2`, or None."""
    match = re.match(r"([A-Za-z0-9][\w.-]*)(\[[^]]*\])?\s*([^;]*)", requirement)
    if match is None or "/" in requirement or "@" in requirement:
        return None
    name = _normal(match.group(1))
    found = known.get(name) or known.get(_normal(_SAME.get(name, name)))
    # conda writes `name=1.5` for any 1.5.
    wanted = re.sub(r"^=(?!=)(.*?)(\.\*)?$", r"==\1.*", match.group(3).strip())
    if found is None or not wanted:
        return found
    try:
        from packaging.specifiers import SpecifierSet

        return found if SpecifierSet(wanted).contains(found[1], prereleases=True) else None
    except (ImportError, ValueError):
        return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _print_each(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0
