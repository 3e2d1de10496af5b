"""Imports heavy modules into the supervisor while it idles, so that the forked child has them already."""

from __future__ import annotations

import gc
import os
import sys

from runner.code import matplotlib_home

# Nothing else is imported on request. A worker asks for one after another, in the order that makes each step short.
ALLOWED = frozenset(
    (
        "json",
        "datetime",
        "decimal",
        "numpy",
        "numpy.random",
        "numpy.linalg",
        "numpy.fft",
        "numpy.ma",
        "dateutil",
        "dateutil.parser",
        "pytz",
        "pyarrow",
        "pandas.compat",
        "pandas._libs",
        "pandas.core.api",
        "pandas",
        "PIL.Image",
        "PIL.PngImagePlugin",
        "matplotlib",
        "matplotlib.colors",
        "matplotlib.font_manager",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.pyplot",
        "openpyxl",
        "scipy",
        "scipy.stats",
        "sklearn",
        "seaborn",
    )
)
# What our own side of a library needs; a cell would import it otherwise.
_OURS = {"matplotlib.pyplot": "runner.outputs.figures", "pandas": "runner.outputs.tables"}
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
        if module in _OURS:
            __import__(_OURS[module])
    except Exception:
        return False
    # What is loaded lives for ever: the collector shall not pass over it again, here or in the child, where
    # every pass would copy its pages.
    gc.collect()
    gc.freeze()
    return module in sys.modules
