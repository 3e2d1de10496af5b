"""A stand-in for pip: it lists what is installed and says why nothing else can be. There is no network in a sandbox."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command as pip would; returns its exit code."""
    from pip.commands import run

    return run(list(sys.argv[1:] if args is None else args))
