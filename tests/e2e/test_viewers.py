"""Who looks at one job: two tabs of one person, another person, and one who may not see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from jupyter_process import JupyterProcess
from page_objects import LIMIT, NotebookPage
from playwright.sync_api import expect
from reported_job import ReportedJob
from watched_bar import WatchedBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

PEOPLE = '''
from jupyter_server.auth import Authorizer, IdentityProvider, User

TOKENS = {"alices-token": "alice", "bobs-token": "bob", "carols-token": "carol"}


class People(IdentityProvider):
    """Knows whose token it is, as the identity provider of a shared server does."""

    async def get_user(self, handler):
        name = TOKENS.get(self.get_token(handler))
        if name is not None:
            handler._token_authenticated = True
            user = User(name)
            self.set_login_cookie(handler, user)
            return user
        return self.get_user_cookie(handler)


class Rights(Authorizer):
    """Lets Carol use the server, and see no job of it."""

    def is_authorized(self, handler, user, action, resource):
        return user.username != "carol" or not resource.startswith("progresswidget:")


c = get_config()
# Else every page would be given it, and be Alice.
c.IdentityProvider.token = ""
c.ServerApp.identity_provider_class = People
c.ServerApp.authorizer_class = Rights
'''


WHO = "fetch('/api/me').then(answer => answer.json()).then(me => me.identity.username)"


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A server of several people."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.py").write_text(PEOPLE)
    server = JupyterProcess(folder, token="alices-token")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sign_in(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Open a browser of somebody's own."""
    contexts = []

    def open_browser() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 700}))
        return contexts[-1].new_page()

    yield open_browser
    for context in contexts:
        context.close()


@pytest.mark.faults
def test_two_tabs_and_another_person_see_the_same_and_who_may_not_sees_nothing(
    shared: JupyterProcess, sign_in: Callable[[], Page]
) -> None:
    first = WatchedBar(sign_in(), shared, shared).show()
    tab, bob, carol = (
        WatchedBar(page, shared, shared).look_at(first.job, token)
        for page, token in (
            (first.page.context.new_page(), "alices-token"),
            (sign_in(), "bobs-token"),
            (sign_in(), "carols-token"),
        )
    )
    viewers = (first, tab, bob)
    names = [viewer.page.evaluate(WHO) for viewer in (*viewers, carol)]
    assert names == ["alice", "alice", "bob", "carol"]
    with first.job.moving():
        for viewer in viewers:
            viewer.page.wait_for_function("window.seen.length > 3", timeout=LIMIT)
    for viewer in viewers:
        viewer.wait_for_truth()
        viewer.assert_never_went_back()
    # A wish of one is seen by all.
    bob.page.locator("[data-task-id] button[data-action=pause]").click()
    for viewer in viewers:
        expect(viewer.page.locator("[data-task-id]")).to_contain_text("Pausing…", timeout=LIMIT)
    expect(carol.page.locator("[data-task-id]")).to_contain_text("does not know this job")
    assert carol.page.evaluate("window.seen") == []
    first.job.report(status="cancelled")
    for viewer in viewers:
        viewer.page.locator("[data-task-id][data-state=cancelled]").wait_for(timeout=LIMIT)


def test_a_job_that_begins_elsewhere_appears_by_itself(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    shown = open_notebook(lab, "pw.export(flights, 'flights.csv')")
    # The kernel rests, and tells the page nothing: a thread or another tab may have begun it.
    (kernel,) = lab.api("api/kernels")
    job = ReportedJob(lab, kernelId=kernel["id"], cellId="cell-0")
    job.advance()
    began = time.monotonic()
    shown.wait_for_state("running", limit=LIMIT)
    print(f"there {time.monotonic() - began:.2f} s after its first report")
    job.report(status="cancelled")
    shown.wait_for_state("cancelled")
    expect(shown.bars).to_have_count(1)
