"""A Python beside the tests' own that has real-time collaboration, and leaves theirs as it is.

Run as a script it makes sure that it is there. The tests import `python` and `variables`.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PACKAGE = "jupyter-collaboration>=4,<6"
FOLDER = Path(sys.prefix) / "share" / "progresswidget-collaboration"


def python() -> Path:
    """Return the interpreter, which is made where it is missing.

    It sees all packages of this one and the few that collaboration adds to them: in this one they
    would change every notebook of every other test.
    """
    interpreter = FOLDER / "bin" / "python"
    if not (FOLDER / "complete").exists():
        venv.create(FOLDER, clear=True, with_pip=False)
        (packages,) = FOLDER.glob("lib/python3*/site-packages")
        (own,) = Path(sys.prefix).glob("lib/python3*/site-packages")
        (packages / "beside.pth").write_text(f"import site; site.addsitedir({str(own)!r})\n")
        pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet"]
        subprocess.run([*pip, PACKAGE], check=True)
        (FOLDER / "complete").touch()
    return interpreter


def variables() -> dict[str, str]:
    """Return what shows Jupyter the extensions of both."""
    here = Path(sys.prefix)
    return {
        "JUPYTER_PATH": str(here / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(here / "etc" / "jupyter"),
        "JUPYTERLAB_DIR": str(here / "share" / "jupyter" / "lab"),
    }


if __name__ == "__main__":
    print(f"tests of collaboration use {python()}")
