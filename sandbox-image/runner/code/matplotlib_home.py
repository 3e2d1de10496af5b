"""Where matplotlib keeps its configuration: a writable folder with the image's own font list and settings."""

from __future__ import annotations

import os

FOLDER = "/tmp/.matplotlib"
_BAKED = "/opt/matplotlib"


def ensure_matplotlib_home() -> None:
    """Makes the folder unless it is there. Without the image's font list matplotlib would read every font first."""
    try:
        os.mkdir(FOLDER, 0o700)
        for name in os.listdir(_BAKED):
            os.symlink(f"{_BAKED}/{name}", f"{FOLDER}/{name}")
    except OSError:
        # Made before; or /tmp is full, and matplotlib works slowly without it.
        pass
