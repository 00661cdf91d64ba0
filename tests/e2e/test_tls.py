"""Everything once over https, with a certificate that nobody else has signed, below a base URL."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from network import Network
from page_objects import LIMIT, NotebookPage, write_notebook
from playwright.sync_api import Browser, expect
from test_configurations import check_whole_job
from test_export_bar import EXPORT, FINISH, LOAD
from test_save import DIGEST, PICKER
from test_upload import NO_PICKER, Uploading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.faults]


@pytest.fixture
def server(servers: Callable[..., JupyterProcess]) -> JupyterProcess:
    return servers("tls", tls=True, base_url="/user/alice/")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page of somebody who has told the browser to go on all the same."""
    context = browser.new_context(ignore_https_errors=True, accept_downloads=True)
    yield context.new_page()
    context.close()


def test_an_export_is_watched_steered_downloaded_and_saved(
    server: JupyterProcess, page: Page
) -> None:
    page.add_init_script(PICKER)
    write_notebook(server.root / "tls.ipynb", LOAD, EXPORT, FINISH)
    shown = NotebookPage(page, server, "tls.ipynb").open()
    check_whole_job(shown, server)
    assert page.evaluate("location.protocol") == "https:"
    expect(shown.bar).to_have_attribute("data-connection", "live")
    shown.button("save").click()
    row = page.locator(".pw-transfer[data-direction=save]")
    expect(row).to_contain_text("Saved and verified", timeout=LIMIT)
    (job,) = [job for job in server.jobs() if job["status"] == "done"]
    assert page.evaluate(DIGEST, "flights.csv") == job["sha256"]


def test_an_upload_is_cut_and_arrives(server: JupyterProcess, page: Page, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(random.Random(1).randbytes(20_000_000))
    with Network(server.port) as network:
        network.upload_rate = 5_000_000
        uploading = Uploading(page, network, replace(server)).open(NO_PICKER)
        uploading.choose(big)
        uploading.wait_for_more_than(10)
        network.cut()
        uploading.wait_for("waiting")
        network.upload_rate = 0
        network.mend()
        uploading.wait_for("done")
        uploading.assert_arrived(big)
