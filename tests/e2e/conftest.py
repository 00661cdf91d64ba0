"""One browser for the whole run, one server for each configuration, one page for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chromium
import pytest
from jupyter_process import JupyterProcess
from page_objects import HEARTBEAT, LIMIT, NotebookPage, write_notebook
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Five seconds, as it is, may pass on a busy machine before anything is drawn.
expect.set_options(timeout=LIMIT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    assert path is not None, "no Chromium: run `python tests/e2e/chromium.py`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-US", accept_downloads=True
    )
    context.set_default_timeout(LIMIT)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., JupyterProcess]]:
    """Start each configuration once, however many tests use it."""
    running: dict[str, JupyterProcess] = {}

    def get(name: str = "lab", **settings: object) -> JupyterProcess:
        if name not in running:
            folder = tmp_path_factory.mktemp(name)
            running[name] = JupyterProcess(folder, **settings)  # type: ignore[arg-type]
            running[name].start()
        return running[name]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture
def lab(servers: Callable[..., JupyterProcess]) -> Iterator[JupyterProcess]:
    server = servers("lab")
    yield server
    server.clear()


@pytest.fixture
def notebook7(servers: Callable[..., JupyterProcess]) -> Iterator[JupyterProcess]:
    server = servers("notebook", application="notebook")
    yield server
    server.clear()


@pytest.fixture
def short(servers: Callable[..., JupyterProcess]) -> Iterator[JupyterProcess]:
    """A server with little patience for pages and much for kernels, which tells at once."""
    settings = {"heartbeat": HEARTBEAT, "push_interval": 0.1, "kernel_lease": 600.0}
    options = [f"--ProgressExtension.{name}={value}" for name, value in settings.items()]
    server = servers("short", options=options)
    yield server
    server.clear()


@pytest.fixture
def open_notebook(page: Page) -> Callable[..., NotebookPage]:
    """Write a notebook of the given cells below the server's root, and open it."""

    def write_and_open(
        server: JupyterProcess, *cells: str, name: str = "test.ipynb"
    ) -> NotebookPage:
        write_notebook(server.root / name, *cells)
        return NotebookPage(page, server, name).open()

    return write_and_open
