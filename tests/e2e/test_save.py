"""\"Save (resumable)\": into a file that a person picks, across losses of the line and of the page.

The picker itself cannot be driven. In its place stands one that answers with a file of the
browser's own file system, which is a real file handle in every other respect: it is written by the
same writables, kept in the same database, and stopped by the same quota.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from network import Network
from page_objects import LIMIT, NotebookPage, dismiss_dialogs, wait_for_answer, write_notebook
from playwright.sync_api import Browser, Locator, Page, Route, expect
from test_looks import look, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

SETUP = """
import numpy as np
import progresswidget as pw
import pyarrow as pa

def numbers(seed):
    return pa.table({"n": np.random.default_rng(seed).integers(2**62, size=900_000)})
"""
EXPORT = 'pw.export(numbers(1), "numbers.csv")'
ANOTHER = 'pw.export(numbers(2), "numbers.csv")'
NOTEBOOK = "saves.ipynb"

PICKER = """
window.showSaveFilePicker = async ({suggestedName}) => {
  const root = await navigator.storage.getDirectory();
  return await root.getFileHandle(suggestedName, {create: true});
};
"""
# A handle of an earlier page, as the browser gives it back: usable after a click alone.
PROMPT = """
(() => {
  const granted = new WeakSet();
  FileSystemFileHandle.prototype.queryPermission = async function () {
    return granted.has(this) ? 'granted' : 'prompt';
  };
  FileSystemFileHandle.prototype.requestPermission = async function () {
    if (!navigator.userActivation.isActive) throw new DOMException('no click', 'SecurityError');
    granted.add(this);
    return window.refuses ? 'denied' : 'granted';
  };
})();
"""
DIGEST = """
async name => {
  const root = await navigator.storage.getDirectory();
  const file = await (await root.getFileHandle(name)).getFile();
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
"""
NAMES = """
async () => {
  const names = [];
  for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
  return names;
}
"""
KEPT = """
() => new Promise((resolve, reject) => {
  const opening = indexedDB.open('progresswidget');
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const database = opening.result;
    const reading = database.transaction('saves').objectStore('saves').getAll();
    reading.onerror = () => reject(reading.error);
    reading.onsuccess = () => {
      database.close();
      resolve(reading.result[0]?.offset ?? 0);
    };
  };
})
"""
SMALL = 256 * 1024
"""Bytes that a Blob of ours may have: the source of the worker is one."""
# How large each Blob is that the page makes; to ask for a whole file in one counts as too large.
BLOBS = """
() => {
  window.blobs = [];
  window.Blob = class extends Blob {
    constructor(...all) { super(...all); window.blobs.push(this.size); }
  };
  const address = URL.createObjectURL;
  URL.createObjectURL = blob => { window.blobs.push(blob.size); return address.call(URL, blob); };
  for (const name of ['blob', 'arrayBuffer', 'bytes']) {
    const whole = Response.prototype[name];
    Response.prototype[name] = function () {
      if (this.url.includes('/files/')) window.blobs.push(Infinity);
      return whole.call(this);
    };
  }
}
"""
SLOW = 1_000_000.0
"""Bytes a second at which the file takes many seconds."""
HEAD_START = 5_000_000
"""Bytes of it that come at once."""


class Saving:
    """A notebook behind a line that can be cut, with a finished export to save."""

    def __init__(self, shown: NotebookPage, network: Network, server: JupyterProcess) -> None:
        self.shown, self.network, self.server = shown, network, server
        self.page = shown.page

    @property
    def row(self) -> Locator:
        """The bar of the save."""
        return self.page.locator(".pw-transfer[data-direction=save]")

    def press(self, name: str) -> None:
        """Press a button of the save's bar."""
        self.row.locator(f"button[data-transfer={name}]").click()

    def begin(self) -> None:
        """Press "Save (resumable)"."""
        self.shown.bars.first.locator("button[data-action=save]").click()

    def wait_for(self, status: str) -> None:
        """Wait until the save is in a state."""
        self.page.locator(f".pw-transfer[data-status={status}]").wait_for(timeout=LIMIT)

    def value(self) -> float:
        """Return the percentage that the bar states."""
        return float(self.row.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)

    def wait_for_more_than(self, percent: float) -> None:
        """Wait until more than that has arrived."""
        self.page.wait_for_function(
            """percent => {
              const bar = document.querySelector('.pw-transfer [role=progressbar]');
              return bar && Number(bar.getAttribute('aria-valuenow')) > percent;
            }""",
            arg=percent,
            timeout=LIMIT,
        )

    def assert_verified(self) -> None:
        """Wait for the end, and compare the file with the server's."""
        self.wait_for("done")
        expect(self.row).to_contain_text("Saved and verified")
        digests = [job["sha256"] for job in self.server.jobs()]
        assert self.page.evaluate(DIGEST, "numbers.csv") in digests


@pytest.fixture(scope="module")
def exported(servers: Callable[..., JupyterProcess], browser: Browser) -> JupyterProcess:
    """Export a file once, and save the notebook that shows it."""
    server = servers("saves")
    write_notebook(server.root / NOTEBOOK, SETUP, EXPORT, ANOTHER)
    context = browser.new_context()
    shown = NotebookPage(context.new_page(), server, NOTEBOOK).open()
    shown.run_and_wait(0)
    shown.run_and_wait(1)
    shown.wait_for_state("done")
    shown.save()
    context.close()
    return server


@pytest.fixture
def saving(exported: JupyterProcess, page: Page) -> Iterator[Saving]:
    page.add_init_script(PICKER)
    with Network(exported.port) as network:
        network.head_start = HEAD_START
        shown = NotebookPage(page, replace(exported, port=network.port), NOTEBOOK).open()
        shown.wait_for_state("done")
        yield Saving(shown, network, exported)


def test_a_save_streams_into_the_picked_file_and_is_verified(saving: Saving) -> None:
    saving.begin()
    saving.assert_verified()
    saving.press("dismiss")
    expect(saving.row).to_have_count(0)
    saving.shown.reload()
    saving.shown.wait_for_state("done")
    expect(saving.row).to_have_count(0)


def test_a_save_goes_on_by_itself_after_the_line_was_lost(saving: Saving) -> None:
    saving.network.rate = SLOW
    saving.begin()
    saving.wait_for_more_than(10)
    saving.network.cut()
    saving.wait_for("waiting")
    expect(saving.row).to_contain_text(re.compile(r"Trying again, \d of 5"))
    saving.network.rate = 0
    saving.network.mend()
    saving.assert_verified()
    assert saving.network.ranges("/files/")[0] > 0
    (resumed,) = [head for head in saving.network.heads("/files/") if "bytes=" in head]
    assert re.search(r'^if-range: "sha256-', resumed, re.IGNORECASE | re.MULTILINE)


def test_a_paused_save_stands_still_and_goes_on(saving: Saving) -> None:
    saving.network.rate = SLOW
    saving.begin()
    saving.wait_for_more_than(10)
    saving.press("pause")
    saving.wait_for("paused")
    value = saving.value()
    saving.network.rate = 0
    saving.shown.reload()  # what was paused by hand stays so
    saving.wait_for("paused")
    assert saving.value() == pytest.approx(value, abs=0.1)
    assert saving.network.ranges("/files/") == []
    saving.press("resume")
    saving.assert_verified()
    assert saving.network.ranges("/files/")[0] > 0


@pytest.mark.parametrize(
    "permission", ["prompt", pytest.param("granted", marks=pytest.mark.faults)]
)
def test_a_reload_in_the_middle_costs_nothing_that_was_in_the_file(
    saving: Saving, permission: str
) -> None:
    saving.network.rate = SLOW / 2
    saving.begin()
    kept = wait_for_answer(saving.page, KEPT)
    if permission == "prompt":
        saving.page.add_init_script(PROMPT)
    saving.shown.reload()
    saving.network.rate = 0
    if permission == "prompt":
        saving.wait_for("paused")
        saving.page.evaluate("window.refuses = true")
        saving.press("resume")
        saving.wait_for("failed")
        expect(saving.row).to_contain_text("Continue, and allow it")
        saving.page.evaluate("window.refuses = false")
        saving.press("resume")
    saving.assert_verified()
    (first,) = saving.network.ranges("/files/")
    assert first >= kept > 1_000_000, (first, kept)


def test_a_full_disk_is_told_in_words_and_can_be_made_good(saving: Saving) -> None:
    origin = saving.page.evaluate("location.origin")
    devtools = saving.page.context.new_cdp_session(saving.page)
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 4_000_000})
    saving.begin()
    saving.wait_for("failed")
    expect(saving.row).to_contain_text("The disk of this computer is full")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin})
    saving.press("resume")
    saving.assert_verified()


@pytest.mark.faults
def test_a_login_that_ends_midway_is_told_in_words_and_the_save_goes_on_after_another(
    saving: Saving,
) -> None:
    context = saving.page.context
    use_cookies_alone(saving)
    saving.network.rate = SLOW
    saving.begin()
    saving.wait_for_more_than(10)
    login = context.cookies()
    context.clear_cookies()
    saving.network.cut()
    saving.network.mend()
    saving.wait_for("failed")
    dismiss_dialogs(saving.shown)
    expect(saving.row).to_contain_text(re.compile("log in again", re.IGNORECASE))
    context.add_cookies(login)  # type: ignore[arg-type]
    saving.network.rate = 0
    saving.press("resume")
    saving.assert_verified()
    assert saving.network.ranges("/files/")[-1] > 0


def use_cookies_alone(saving: Saving) -> None:
    """Load the page as behind a password or a hub: JupyterLab is told no token.

    With one, any request of JupyterLab's own brings the login back that a test has ended.
    """
    token = saving.server.token

    def without_token(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        assert token in text
        route.fulfill(response=answer, body=text.replace(token, ""))

    saving.page.route(lambda url: urlsplit(url).path.startswith("/lab/tree/"), without_token)
    saving.shown.reload()
    saving.shown.wait_for_state("done")


def test_what_the_server_or_a_proxy_refuses_is_told_in_words(saving: Saving) -> None:
    answers = [401]
    saving.page.context.route(
        "**/progresswidget/files/**",
        lambda route: route.fulfill(status=answers[0]) if answers else route.continue_(),
    )
    saving.begin()
    saving.wait_for("failed")
    expect(saving.row).to_contain_text("Your login has ended")
    answers[0] = 403
    saving.press("resume")
    expect(saving.row).to_contain_text("does not allow it", timeout=LIMIT)
    answers[0] = 409
    saving.press("resume")
    expect(saving.row).to_contain_text("busy with this file", timeout=LIMIT)
    answers.clear()
    saving.press("resume")
    saving.assert_verified()


def test_a_cancelled_save_leaves_no_file_behind(saving: Saving) -> None:
    saving.network.rate = SLOW
    saving.begin()
    saving.wait_for_more_than(10)
    saving.press("cancel")
    expect(saving.row).to_have_count(0, timeout=LIMIT)
    wait_for_answer(saving.page, f"async () => (await ({NAMES})()).length === 0")


@pytest.mark.faults
def test_a_save_looks_right_from_the_offer_to_giving_up_and_the_end(
    saving: Saving,
) -> None:
    shown, network = saving.shown, saving.network
    shown.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    look(shown, "save-offered")
    network.rate = SLOW / 3
    saving.begin()
    saving.wait_for_more_than(1)
    look(shown, "save-running")
    saving.press("pause")
    saving.wait_for("paused")
    look(shown, "save-paused")
    network.cut()
    saving.press("resume")
    saving.wait_for("waiting")
    picture(shown, "save-waiting")  # a theme comes from the server
    saving.wait_for("failed")
    dismiss_dialogs(shown)
    expect(saving.row).to_contain_text("The server cannot be reached")
    picture(shown, "save-failed")
    network.mend()
    network.rate = 0
    saving.press("resume")
    saving.assert_verified()
    assert min(network.ranges("/files/")) > 0
    look(shown, "save-done")


def test_no_file_of_a_save_is_ever_collected_in_the_page(saving: Saving) -> None:
    saving.page.evaluate(BLOBS)
    saving.begin()
    saving.assert_verified()
    assert 0 < saving.page.evaluate("Math.max(...window.blobs)") < SMALL


# The last: the file is another one afterwards.
def test_a_new_generation_ends_the_save_of_the_old_one_in_words(saving: Saving) -> None:
    saving.network.rate = SLOW
    saving.begin()
    saving.wait_for_more_than(10)
    saving.press("pause")
    saving.wait_for("paused")
    saving.network.rate = 0
    saving.shown.run_and_wait(2)
    saving.press("resume")
    saving.wait_for("failed")
    expect(saving.row).to_contain_text("The file was replaced or deleted on the server")
    expect(saving.row.locator("button[data-transfer=resume]")).to_be_hidden()
