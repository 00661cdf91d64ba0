"""What all tests share: their order, a cache of their own, and patience."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import programs
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = "XDG_CACHE_HOME"
BROWSER = Path(__file__).parent / "e2e"
LABORATORY = 1800
"""Seconds after which a test of the laboratory hangs; in the ordinary run it is 300."""

# How long an example takes says more of the machine than of the code. What is random is the same
# in every run; with RANDOM_TESTS=1 it is not, or what `--hypothesis-seed` says.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize=os.environ.get("RANDOM_TESTS") != "1",
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # What is repeated fifty times in the laboratory may take long on a slow machine.
    if config.option.markexpr != "not faults":
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(LABORATORY))
    # Playwright keeps an event loop running in the main thread from its first test to the end of
    # the session, and a loop of its own is what every asynchronous test needs.
    items.sort(key=lambda item: BROWSER in item.path.parents)


def pytest_configure(config: pytest.Config) -> None:
    # What earlier runs have exported must not be remembered, and nothing be left in the user's
    # own cache; processes that tests start inherit it.
    os.environ[CACHE] = tempfile.mkdtemp(prefix="progresswidget-tests-")
    # What a shell starts in the background ignores Ctrl-C, and so would all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ.pop(CACHE), ignore_errors=True)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Find a program, and install it by apt where there is none, this is Debian and we are root."""

    def find(name: str) -> str:
        if programs.find(name) is None:
            programs.install([programs.PACKAGES[name]])
        return programs.path(name)

    return find
