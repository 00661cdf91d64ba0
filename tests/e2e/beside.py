"""Pythons beside the tests' own that have a package more, and leave theirs as it is."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path


def python_with(name: str, *wanted: str) -> Path:
    """Return an interpreter that has some packages more, which is made where it is missing.

    It sees all packages of this one and the few that the other adds to them: in this one they
    would change every notebook of every other test.

    Parameters
    ----------
    name
        Of its folder.
    *wanted
        The packages, as pip is told them.
    """
    folder = Path(sys.prefix) / "share" / f"progresswidget-{name}"
    interpreter = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=False)
        (packages,) = folder.glob("lib/python3*/site-packages")
        (own,) = Path(sys.prefix).glob("lib/python3*/site-packages")
        (packages / "beside.pth").write_text(f"import site; site.addsitedir({str(own)!r})\n")
        pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet"]
        subprocess.run([*pip, *wanted], check=True)
        (folder / "complete").touch()
    return interpreter
