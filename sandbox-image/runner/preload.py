"""Imports heavy modules into the supervisor while it idles, so that the forked child has them already."""

from __future__ import annotations

import gc
import os
import sys

from runner import matplotlib_home

# Nothing else is imported on request. In the order that makes each step short, a worker asks for one after another.
ALLOWED = frozenset(
    (
        "json",
        "datetime",
        "numpy",
        "numpy.random",
        "dateutil",
        "pytz",
        "pandas.compat",
        "pandas._libs",
        "pandas.core.api",
        "pandas",
        "PIL.Image",
        "matplotlib",
        "matplotlib.colors",
        "matplotlib.font_manager",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.pyplot",
        "openpyxl",
    )
)
# Read by the libraries when they are imported; a sandbox has one processor.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def preload(module: object) -> bool:
    """Returns whether `module` may be imported and was."""
    if not isinstance(module, str) or module not in ALLOWED:
        return False
    for name in _THREADS:
        os.environ[name] = "1"
    os.environ["MPLCONFIGDIR"] = matplotlib_home.FOLDER
    matplotlib_home.ensure_matplotlib_home()
    try:
        __import__(module)
    except Exception:
        return False
    # What is loaded lives for ever: the collector shall not pass over it again, here or in the child, where
    # every pass would copy its pages.
    gc.collect()
    gc.freeze()
    return module in sys.modules
