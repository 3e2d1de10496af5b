"""Where programs that call pip from Python have found its `main`."""

from __future__ import annotations

from pip import main as main
