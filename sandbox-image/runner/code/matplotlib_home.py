"""Matplotlib's configuration folder: writable, with the image's font list and settings."""

from __future__ import annotations

import os

FOLDER = "/tmp/.matplotlib"
_BAKED = "/opt/matplotlib"


def ensure_matplotlib_home() -> None:
    """Makes the folder if it is missing. Without the image's font list matplotlib would read every font first."""
    try:
        os.mkdir(FOLDER, 0o700)
        for name in os.listdir(_BAKED):
            os.symlink(f"{_BAKED}/{name}", f"{FOLDER}/{name}")
    except OSError:
        # The folder exists, or /tmp is full: then matplotlib is slow but works.
        pass
