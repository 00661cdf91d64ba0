"""JupyterLab behind a real JupyterHub, where a page has a cookie and proves itself with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hubs import PASSWORD, Hub
from jupyter_process import JupyterProcess
from page_objects import LIMIT, NotebookPage, write_notebook
from playwright.sync_api import Page, expect
from test_save import DIGEST, EXPORT, PICKER, SETUP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.faults]


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[JupyterProcess]:
    """A person's server as they see it, which the hub has started."""
    with Hub(tmp_path) as hub:
        seen = hub.start("alice")
        yield JupyterProcess(
            tmp_path / "alice",
            base_url=seen.base_url,
            password=PASSWORD,
            token=seen.token,
            port=seen.port,
        )


def test_the_bar_is_live_and_its_buttons_fetch_behind_a_hub(
    alice: JupyterProcess, page: Page, tmp_path: Path
) -> None:
    page.add_init_script(PICKER)
    write_notebook(alice.root / "hub.ipynb", SETUP, EXPORT)
    page.goto(f"http://127.0.0.1:{alice.port}/hub/login?next=%2Fhub%2Fhome")
    page.locator("#username_input").fill("alice")
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    page.wait_for_url("**/hub/home", timeout=LIMIT)
    shown = NotebookPage(page, alice, "hub.ipynb").open()
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("done")
    (job,) = alice.jobs()
    # The browser's own download manager.
    with page.expect_download(timeout=LIMIT) as download:
        shown.button("download").click()
    download.value.save_as(tmp_path / "saved.csv")
    assert hashlib.sha256((tmp_path / "saved.csv").read_bytes()).hexdigest() == job["sha256"]
    received = shown.bar.locator(".pw-received")
    expect(received).to_have_attribute("data-state", "complete", timeout=LIMIT)
    # A `fetch` of the page into a file that the person picks.
    shown.button("save").click()
    page.locator(".pw-transfer[data-status=done]").wait_for(timeout=LIMIT)
    assert page.evaluate(DIGEST, "numbers.csv") == job["sha256"]
