"""Resolves the names in some files with pip and writes a lock: lock-wheels.py LOCK NAMES…

Runs in a container of the sandbox image. Each line of the lock has the hashes of the wheels for x86_64 and aarch64. What the
lock `wheels.txt` has is left out of later ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# Debian's stay: other packages of Debian are built for them, and a wheel of each would bring its own linear algebra.
KEPT = "numpy pandas scipy scikit-learn matplotlib statsmodels pillow plotly networkx sympy xarray python-dateutil".split()
# For graphics cards, which a sandbox has none of. xgboost works without.
LEFT_OUT = re.compile(r"nvidia-")


def main() -> None:
    lock, *wanted = sys.argv[1:]
    Path("kept.txt").write_text("".join(f"{name}=={metadata.version(name).partition('+')[0]}\n" for name in KEPT))
    chosen = _report(["-c", "kept.txt", *(word for file in wanted for word in ("-r", file))])
    earlier = "" if lock == "wheels.txt" else Path("wheels.txt").read_text()
    before = {_normal(name) for name in re.findall(r"^([\w.-]+)==", earlier, re.M)}
    pins = {_normal(name): f"{name}=={version}" for name, version, _ in chosen if not LEFT_OUT.match(name)}
    pins = {name: pin for name, pin in pins.items() if name not in before}
    hashes: dict[str, set[str]] = {name: set() for name in pins}
    for machine in ("x86_64", "aarch64"):
        target = ["--no-deps", "--ignore-installed", "--target", "/tmp/none", "--python-version", "3.13", "--implementation", "cp"]
        for name, _, sha256 in _report([*target, *_platforms(machine), *pins.values()]):
            hashes[_normal(name)].add(sha256)
    lines = (" \\\n    ".join([pins[name], *(f"--hash=sha256:{sha256}" for sha256 in sorted(hashes[name]))]) for name in sorted(pins))
    Path(lock).write_text("".join(f"{line}\n" for line in lines))


def _report(words: list[str]) -> list[tuple[str, str, str]]:
    """Name, version and hash of each wheel that pip would install."""
    command = [sys.executable, "-m", "pip", "install", "--break-system-packages", "--dry-run", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, "--report", "/tmp/report.json", *words], check=True)
    found: list[dict[str, Any]] = json.loads(Path("/tmp/report.json").read_text())["install"]
    return [
        (one["metadata"]["name"], one["metadata"]["version"], one["download_info"]["archive_info"]["hashes"]["sha256"]) for one in found
    ]


def _platforms(machine: str) -> list[str]:
    names = [f"manylinux_2_{minor}_{machine}" for minor in range(41, 16, -1)]
    older = ["2014", "2010", "1"] if machine == "x86_64" else ["2014"]
    return [word for name in [*names, *(f"manylinux{year}_{machine}" for year in older)] for word in ("--platform", name)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


main()
