"""tqdm's own tests, from its source distribution, and a `tqdm` for them that is ours.

Run as a script it fetches the distribution; the tests ask for `tests` and `write_shim`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

VERSION = "4.70.1"
FOLDER = Path(sys.prefix) / "share" / "tqdm-source"

_BAR = "from progresswidget.loops.bar import tqdm, trange\n"
_ERRORS = (
    "from progresswidget.loops.errors import (TqdmDeprecationWarning, TqdmExperimentalWarning,"
    " TqdmKeyError, TqdmMonitorWarning, TqdmSynchronisationWarning, TqdmTypeError, TqdmWarning)\n"
)
_SELF = "import sys\nimport {0} as ours\nsys.modules[__name__] = ours\n"

SHIM = {
    "__init__": (
        f"{_BAR}{_ERRORS}from progresswidget import __version__\n"
        "from progresswidget.loops.frames import tqdm_pandas\n"
        "from progresswidget.loops.monitor import TMonitor\n"
    ),
    "std": f"{_BAR}{_ERRORS}from progresswidget.loops.text.line import EMA, Bar\n",
    "auto": _BAR,
    "autonotebook": _BAR,
    "notebook": _BAR,
    "asyncio": f"{_BAR}tqdm_asyncio, tarange = tqdm, trange\n",
    "cli": f"{_ERRORS}from progresswidget.loops.pipe import main\n",
    "__main__": "from tqdm.cli import main\n\nmain()\n",
    # A window of its own no bar of ours has: on a screen it is the page that draws it.
    "gui": f"{_BAR}tqdm_gui, tgrange = tqdm, trange\n",
    "tk": f"{_BAR}tqdm_tk, ttkrange = tqdm, trange\n",
    "keras": (
        "import keras\nfrom progresswidget.loops.callbacks import keras_callback as TqdmCallback\n"
    ),
    "dask": "from progresswidget.loops.callbacks import dask_callback as TqdmCallback\n",
    "utils": (
        "import os\nfrom progresswidget.loops.environment import envwrap\n"
        "IS_WIN = os.name == 'nt'\n"
    ),
    "contrib/__init__": (
        "from progresswidget.loops.iterating import tenumerate, tmap, tzip\n"
        "from progresswidget.loops.redirected import Redirected as DummyTqdmFile\n"
    ),
    "contrib/concurrent": _SELF.format("progresswidget.loops.concurrent"),
    "contrib/itertools": _SELF.format("progresswidget.loops.iterating"),
    "contrib/logging": (
        "from progresswidget.loops.logs import BarHandler as _TqdmLoggingHandler\n"
        "from progresswidget.loops.logs import (logging_redirect_tqdm, tqdm_logging_redirect)\n"
        "from progresswidget.loops.logs import first_to_console\n"
        "_get_first_found_console_logging_handler = first_to_console\n"
    ),
}
"""Modules of tqdm, and what of ours stands for each."""


def tests() -> Path:
    """Return the folder of tqdm's tests, which are fetched where they are missing."""
    found = FOLDER / f"tqdm-{VERSION}" / "tests"
    if not found.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        source = ["--no-binary=tqdm", f"--dest={FOLDER}", f"tqdm=={VERSION}"]
        subprocess.run([*fetch, *source], check=True)
        with tarfile.open(FOLDER / f"tqdm-{VERSION}.tar.gz") as archive:
            # Python 3.11 has filters from 3.11.4 on.
            chosen = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(FOLDER, **chosen)
    return found


def write_shim(folder: Path) -> None:
    """Write a package `tqdm` into a folder, each of whose modules is one of ours."""
    for name, text in SHIM.items():
        path = folder / "tqdm" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    print(f"tqdm's own tests are in {tests()}")
