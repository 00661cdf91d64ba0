"""A Python beside the tests' own that has real-time collaboration, and leaves theirs as it is.

Run as a script it makes sure that it is there. The tests import `python` and `variables`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from beside import python_with

PACKAGE = "jupyter-collaboration>=4,<6"


def python() -> Path:
    """Return the interpreter, which is made where it is missing."""
    return python_with("collaboration", PACKAGE)


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
