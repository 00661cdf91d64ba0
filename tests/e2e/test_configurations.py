"""The same export where the house is arranged differently, or half of it is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jupyter_process import JupyterProcess
from page_objects import LIMIT, NotebookPage
from playwright.sync_api import expect
from test_export_bar import EXPORT, FINISH, LOAD, wait_until_nothing_is_left

pytestmark = pytest.mark.e2e

Opener = Callable[..., NotebookPage]
Servers = Callable[..., JupyterProcess]

HAS_LABEXTENSION = "window.jupyterapp.hasPlugin('progresswidget:renderer')"


def check_whole_job(shown: NotebookPage, server: JupyterProcess) -> None:
    """Move, pause, resume, reload, cancel; then export to the end and download."""
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_motion()
    shown.button("pause").click()
    shown.wait_for_state("paused")
    shown.button("resume").click()
    shown.wait_for_state("running")
    value = shown.value()
    assert value is not None
    shown.wait_for_motion(value)
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    shown.wait_for_cell(1)
    wait_until_nothing_is_left(server)
    shown.command("notebook:clear-all-cell-outputs")
    shown.run(2)
    shown.wait_for_state("done")
    with shown.page.expect_download(timeout=LIMIT):
        shown.button("download").click()


@pytest.mark.faults
def test_below_a_base_url(servers: Servers, open_notebook: Opener) -> None:
    server = servers("alice", base_url="/user/alice/")
    shown = open_notebook(server, LOAD, EXPORT, FINISH)
    assert shown.page.evaluate(HAS_LABEXTENSION)
    check_whole_job(shown, server)
    assert all(job["url"].startswith("/user/alice/progresswidget/files/") for job in server.jobs())


def test_with_a_password_instead_of_a_token(servers: Servers, open_notebook: Opener) -> None:
    server = servers("password", password="open sesame")
    shown = open_notebook(server, LOAD, EXPORT, FINISH)
    check_whole_job(shown, server)


def test_without_the_labextension_the_widget_shows_the_bar(
    servers: Servers, open_notebook: Opener
) -> None:
    server = servers("no-labextension", labextension=False)
    shown = open_notebook(server, LOAD, EXPORT, FINISH)
    check_whole_job(shown, server)
    assert not shown.page.evaluate(HAS_LABEXTENSION)


def test_without_the_server_extension_the_bar_lives_on_the_comm(
    servers: Servers, open_notebook: Opener
) -> None:
    server = servers(
        "no-server-extension",
        options=['--ServerApp.jpserver_extensions={"jupyter_server_ext": False}'],
    )
    shown = open_notebook(server, LOAD, EXPORT, FINISH)
    shown.run_and_wait(0)
    shown.run(1)
    value = shown.wait_for_motion()
    shown.wait_for_motion(value)
    expect(shown.bar).to_have_attribute("data-connection", "comm")
    # A blocking cell cannot hear its widget, so the bar offers no buttons that do nothing.
    expect(shown.button("cancel")).to_be_hidden()
    shown.command("notebook:interrupt-kernel")
    shown.wait_for_state("cancelled")
    shown.wait_for_cell(1)
    wait_until_nothing_is_left(server)
    shown.command("notebook:clear-all-cell-outputs")
    shown.run(2)
    shown.wait_for_state("done")
