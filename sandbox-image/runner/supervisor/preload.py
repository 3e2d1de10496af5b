"""Imports large modules into an idle supervisor, so that the forked code process has them already."""

from __future__ import annotations

import gc
import os
import sys

from runner.code import matplotlib_home

# Nothing else may be preloaded. A worker asks for one module after another, in this order, which keeps each step short.
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
# Our modules for these libraries. A cell would import them otherwise.
_OURS = {"matplotlib.pyplot": "runner.outputs.figures", "pandas": "runner.outputs.tables"}
# Libraries read these on import. A sandbox has one processor.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def preload(module: object) -> bool:
    """Imports `module` if it is allowed. Returns whether it is loaded."""
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
    # Loaded modules are never freed. Exclude them from garbage collection, which would copy their pages in the child.
    gc.collect()
    gc.freeze()
    return module in sys.modules
