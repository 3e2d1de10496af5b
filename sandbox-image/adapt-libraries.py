"""Changes a few lines of installed libraries while the image is built. Fails when a library no longer has a line.

- pandas imports pyarrow on its own import, for the few who use it: 34 MiB and a thread in every fork that has pandas. Here
  it is imported when a function of pandas first needs it.
- pandas 2 cannot unpickle the string columns of pandas 3.
- openpyxl and xlrd say of a workbook with a password that it is no workbook.
- numba compiles for the machine at hand, and takes compiled functions only from a folder that it may write to. umap and
  librosa need up to a minute of compiling on each start. Here functions that the image has compiled, for any processor of
  its kind, are taken from it.
- Debian leaves out which modules a distribution has, so importlib.metadata cannot tell. dpkg knows.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from pathlib import Path

LIBRARIES = Path("/usr/lib/python3/dist-packages")
WHEELS = Path("/usr/local/lib/python3.13/dist-packages")

LAZY = '''"""pyarrow, imported when it is first used."""

import importlib
import sys


class _Arrow:
    def __getattr__(self, name):
        return getattr(importlib.import_module("pyarrow"), name)


class _Compute:
    """Its functions are named in tables when pandas is imported, so each is looked up when it is called."""

    def __getattr__(self, name):
        return lambda *values, **options: getattr(importlib.import_module("pyarrow.compute"), name)(*values, **options)


pa = _Arrow()
pc = _Compute()


def import_lib():
    """Imports pandas._libs.lib, whose compiled code would import pyarrow for one function, and replaces that function."""
    known = "pyarrow" in sys.modules
    if not known:
        sys.modules["pyarrow"] = None
    try:
        lib = importlib.import_module("pandas._libs.lib")
    finally:
        if not known:
            del sys.modules["pyarrow"]
    lib.is_pyarrow_array = lambda obj: "pyarrow" in sys.modules and isinstance(obj, (pa.Array, pa.ChunkedArray))
'''

IMPORTS = "    import pyarrow as pa\n    import pyarrow.compute as pc\n"
LAZY_IMPORTS = "    from pandas._lazy_pyarrow import pa, pc\n"
PASSWORD = "the workbook is encrypted with a password: save it without one"

CHANGES = [
    (
        "pandas/_libs/__init__.py",
        "import pandas._libs.pandas_datetime  # noqa: F401 # isort: skip # type: ignore[reportUnusedImport]\n",
        "import pandas._libs.pandas_datetime  # noqa: F401 # isort: skip # type: ignore[reportUnusedImport]\n"
        "from pandas._lazy_pyarrow import import_lib\n\nimport_lib()\n",
    ),
    (
        "pandas/compat/pyarrow.py",
        "    import pyarrow as pa\n\n    _palv = Version(Version(pa.__version__).base_version)\n",
        "    import importlib.metadata\n\n    _palv = Version(Version(importlib.metadata.version('pyarrow')).base_version)\n",
    ),
    ("pandas/core/arrays/string_arrow.py", IMPORTS, LAZY_IMPORTS),
    ("pandas/core/arrays/arrow/accessors.py", IMPORTS, LAZY_IMPORTS),
    ("pandas/core/arrays/arrow/array.py", IMPORTS, LAZY_IMPORTS),
    ("pandas/core/arrays/_arrow_string_mixins.py", IMPORTS, LAZY_IMPORTS),
    (
        "pandas/core/arrays/arrow/_arrow_utils.py",
        "import pyarrow\n\n",
        "from pandas._lazy_pyarrow import pa as pyarrow\n\n",
    ),
    # Lists of types for pandas' own tests.
    (
        "pandas/_testing/__init__.py",
        "if not pa_version_under10p1:\n    import pyarrow as pa\n",
        "if False:\n    import pyarrow as pa\n",
    ),
    (
        "pandas/core/dtypes/dtypes.py",
        "if not pa_version_under10p1:\n    import pyarrow as pa\n",
        "if not pa_version_under10p1:\n    from pandas._lazy_pyarrow import pa\n",
    ),
    (
        "pandas/core/arrays/string_.py",
        "    def __init__(self, storage=None) -> None:\n",
        "    def __init__(self, storage=None, na_value=None) -> None:\n",
    ),
    (
        "openpyxl/reader/excel.py",
        "    archive = ZipFile(filename, 'r')\n    return archive\n",
        "    try:\n        return ZipFile(filename, 'r')\n    except BadZipFile:\n        if _is_encrypted(filename):\n"
        f'            raise InvalidFileException("{PASSWORD}") from None\n        raise\n\n\n'
        "def _is_encrypted(filename):\n"
        "    if hasattr(filename, 'read'):\n        filename.seek(0)\n        data = filename.read()\n"
        "    else:\n        with open(filename, 'rb') as file:\n            data = file.read()\n"
        "    return data.startswith(b'\\xd0\\xcf\\x11\\xe0') and 'EncryptedPackage'.encode('utf-16-le') in data\n",
    ),
    ("openpyxl/reader/excel.py", "from zipfile import ZipFile, ZIP_DEFLATED\n", "from zipfile import BadZipFile, ZipFile, ZIP_DEFLATED\n"),
    (
        "xlrd/book.py",
        '                raise XLRDError("Can\'t find workbook in OLE2 compound document")\n',
        "                if 'EncryptedPackage'.encode('utf-16-le') in self.filestr[:]:\n"
        f'                    raise XLRDError("{PASSWORD}")\n'
        '                raise XLRDError("Can\'t find workbook in OLE2 compound document")\n',
    ),
]

NUMBA_CHANGES = [
    ("numba/core/config.py", '_readenv("NUMBA_CPU_NAME", optional_str, None)', '_readenv("NUMBA_CPU_NAME", optional_str, "generic")'),
    (
        "numba/core/caching.py",
        "        os.makedirs(path, exist_ok=True)\n        # Ensure",
        "        if os.path.isdir(path) and not os.access(path, os.W_OK):\n            return\n"
        "        os.makedirs(path, exist_ok=True)\n        # Ensure",
    ),
    (
        "numba/core/caching.py",
        "        self._impl.locator.ensure_cache_path()\n        key =",
        "        self._impl.locator.ensure_cache_path()\n"
        "        if not os.access(self._impl.locator.get_cache_path(), os.W_OK):\n            return\n        key =",
    ),
]


def main() -> None:
    (LIBRARIES / "pandas/_lazy_pyarrow.py").write_text(LAZY)
    change(LIBRARIES, CHANGES)
    compileall.compile_file(LIBRARIES / "pandas/_lazy_pyarrow.py", quiet=1)
    if (WHEELS / "numba").exists():
        change(WHEELS, NUMBA_CHANGES)
    for files in Path("/var/lib/dpkg/info").glob("python3-*.list"):
        name_modules(files.read_text().splitlines())


def change(folder: Path, changes: list[tuple[str, str, str]]) -> None:
    for name, old, new in changes:
        file = folder / name
        text = file.read_text()
        if text.count(old) != 1:
            sys.exit(f"{name} has {text.count(old)} times what adapt-libraries.py replaces: {old!r}")
        file.write_text(text.replace(old, new))
    for name in {name for name, _, _ in changes}:
        compileall.compile_file(folder / name, quiet=1, force=True)


def name_modules(files: list[str]) -> None:
    """Writes the modules of a Debian package into the metadata of its distribution."""
    names = {Path(file).relative_to(LIBRARIES).parts[0] for file in files if file.startswith(f"{LIBRARIES}/")}
    modules = sorted({name.split(".")[0] for name in names if not name.endswith("-info") and not name.startswith("_")})
    for name in names:
        info = LIBRARIES / name
        if not (name.endswith(".dist-info") and info.is_dir()):
            continue
        if "._debian_" in name:
            shutil.rmtree(info)
        elif modules and not (info / "top_level.txt").exists() and not (info / "RECORD").exists():
            (info / "top_level.txt").write_text("".join(f"{module}\n" for module in modules))


main()
