"""The order of the tests: those that drive a browser come last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

BROWSER = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Playwright keeps an event loop running in the main thread from its first test to the end of
    # the session, and a loop of its own is what every asynchronous test needs.
    items.sort(key=lambda item: BROWSER in item.path.parents)
