"""Our widgets in marimo, which is no Jupyter: another page, another server, another kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from beside import python_with
from page_objects import LIMIT
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import progresswidget as pw
    import pyarrow as pa

    job = pw.export(pa.table({"n": range(1000)}), "numbers.csv", background=True)
    job.result()
    export = mo.ui.anywidget(pw.ExportWidget(job))
    bar = mo.ui.anywidget(pw.ProgressWidget(value=30, max=120, description="Loop"))
    mo.vstack([export, bar])
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve the app, and return its address."""
    (tmp_path / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    python = python_with("marimo", "marimo>=0.20,<1")
    command = [str(python), "-m", "marimo", "run", "app.py", "--headless", "--no-token"]
    environment = {**os.environ, "MARIMO_SKIP_UPDATE_CHECK": "1", "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=tmp_path, env=environment
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when somebody answers."""
    deadline = time.monotonic() + LIMIT / 1000
    while True:
        assert process.poll() is None, "marimo has ended"
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_widgets_are_drawn_with_their_state_and_their_style(address: str, page: Page) -> None:
    page.goto(address)
    loop = page.get_by_role("progressbar", name="Loop")
    expect(loop).to_have_attribute("aria-valuenow", "25", timeout=LIMIT)
    card = page.locator(".pw-job")
    expect(card).to_have_attribute("data-state", "done", timeout=LIMIT)
    expect(card).to_contain_text("numbers.csv")
    expect(card).to_contain_text("1,000 rows")
    # What is in a shadow root is styled there.
    assert card.evaluate("card => getComputedStyle(card).borderStyle") == "solid"
