"""Install at once, while the libraries are fetched, all programs that Debian has for the tests.

Each script of a program finds, and installs, what it needs by itself; this saves their waiting.
Nothing is done where this is not Debian or we are not root.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS / folder) for folder in ("e2e", "faults", "kernel")]

import chromium  # noqa: E402
import postgres  # noqa: E402
import programs  # noqa: E402


def missing() -> list[str]:
    """Return the packages of the programs that are not there."""
    packages = {package for name, package in programs.PACKAGES.items() if not programs.find(name)}
    if not os.environ.get(chromium.VARIABLE) and not any(map(shutil.which, chromium.NAMES)):
        packages.add(chromium.SHELL)
    if postgres.find() is None:
        packages.add("postgresql")
    return sorted(packages)


if __name__ == "__main__":
    if packages := missing():
        programs.install(packages)
