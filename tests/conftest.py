"""What all tests share: their order, and a cache of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = "XDG_CACHE_HOME"
# program -> the Debian package that holds it, for programs of the field that tests talk to.
PACKAGES = {
    "7z": "p7zip-full",
    "bsdtar": "libarchive-tools",
    "unzip": "unzip",
    "curl": "curl",
    "tar": "tar",
}
BROWSER = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Playwright keeps an event loop running in the main thread from its first test to the end of
    # the session, and a loop of its own is what every asynchronous test needs.
    items.sort(key=lambda item: BROWSER in item.path.parents)


def pytest_configure(config: pytest.Config) -> None:
    # What earlier runs have exported must not be remembered, and nothing be left in the user's
    # own cache; processes that tests start inherit it.
    os.environ[CACHE] = tempfile.mkdtemp(prefix="progresswidget-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ.pop(CACHE), ignore_errors=True)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Find a program, and install it by apt where there is none, this is Debian and we are root."""

    def find(name: str) -> str:
        if shutil.which(name) is None and shutil.which("apt-get") and os.geteuid() == 0:
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGES[name]]
            for step in (["apt-get", "update", "-qq"], get):
                subprocess.run(step, env=quiet, check=False, stdout=subprocess.DEVNULL)
        found = shutil.which(name)
        assert found, f"{name} is needed: apt-get install {PACKAGES[name]}"
        return found

    return find
