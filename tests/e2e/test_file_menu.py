"""The file browser's context menu: files that go on, folders as a ZIP, links for a while."""

from __future__ import annotations

import hashlib
import random
import re
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from network import Network
from page_objects import LIMIT, SCREENSHOTS, file_browser_url, settle, wait_for_answer
from panel_page import complaints
from pictures import expect_picture
from playwright.sync_api import Download, Locator, Page, expect
from test_looks import THEMES
from test_save import DIGEST, PICKER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

NO_PICKER = "delete window.showSaveFilePicker;"
SLOW = 500_000.0
"""Bytes a second at which the large file takes many seconds."""
HEAD_START = 2_000_000
"""Bytes of it that come at once."""


class FileBrowser:
    """The file browser of a page, behind a line that can be cut."""

    def __init__(self, page: Page, network: Network, server: JupyterProcess) -> None:
        self.page, self.network, self.server = page, network, server

    def open(self, script: str = NO_PICKER) -> FileBrowser:
        """Open the page that has it."""
        self.page.add_init_script(script)
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        behind = replace(self.server, port=self.network.port)
        self.page.goto(file_browser_url(behind))
        return self.ready()

    def ready(self) -> FileBrowser:
        """Wait until it lists its folder."""
        self.page.wait_for_selector(".jp-DirListing-content", timeout=LIMIT)
        self.page.wait_for_function("window.jupyterapp?.restored", timeout=LIMIT)
        self.page.evaluate("window.jupyterapp.restored.then(() => null)")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=LIMIT)
        return self

    def item(self, name: str) -> Locator:
        """Return a row of the listing."""
        text = self.page.get_by_text(name, exact=True)
        return self.page.locator(".jp-DirListing-item:visible", has=text)

    def menu(self, *names: str) -> Locator:
        """Pick names, and open the menu on the last; on none it is that of the folder."""
        # A plain click opens a folder in Notebook 7.
        for name in names if len(names) > 1 else ():
            self.item(name).click(modifiers=["ControlOrMeta"])
        if names:
            self.item(names[-1]).click(button="right")
        else:
            listing = self.page.locator(".jp-DirListing-content:visible")
            box = listing.bounding_box()
            assert box is not None
            listing.click(button="right", position={"x": box["width"] / 2, "y": box["height"] - 9})
        return self.page.locator(".lm-Menu")

    def choose(self, label: str, *names: str) -> None:
        """Choose from the menu on some names."""
        self.menu(*names).get_by_text(label, exact=True).click()

    def download(self, label: str, *names: str) -> Download:
        """Choose what lets the browser download something."""
        with self.page.expect_download(timeout=LIMIT) as started:
            self.choose(label, *names)
        return started.value

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.locator(".jp-Dialog")

    def press(self, label: str) -> None:
        """Press a button of the dialog, and wait for it to go."""
        self.dialog.locator(".jp-Dialog-footer").get_by_text(label, exact=True).click()


@pytest.fixture
def network(lab: JupyterProcess) -> Iterator[Network]:
    with Network(lab.port) as network:
        network.head_start = HEAD_START
        yield network


@pytest.fixture
def files(lab: JupyterProcess, network: Network, page: Page) -> FileBrowser:
    fill(lab.root)
    return FileBrowser(page, network, lab)


def fill(root: Path) -> None:
    """Make a folder as people have them: nested, empty, hidden and foreign names, a link away."""
    data = root / "2026 flights"
    (data / "by month" / "empty").mkdir(parents=True)
    (data / "by month" / "十一月.csv").write_bytes(random.Random(2).randbytes(300_000))
    (data / "notes & more.txt").write_text("a few words\n" * 1000)
    (data / "nothing").touch()
    (data / ".secret").write_text("not shown, not sent")
    (data / "away").symlink_to("/etc/hostname")
    (root / "big.bin").write_bytes(random.Random(1).randbytes(7_000_000))
    (root / "other, 100%.csv").write_text("a,b\n1,2\n")


def visible(root: Path, *names: str) -> dict[str, bytes | None]:
    """Return what an archive of some names has to hold: bytes of files, None for folders."""
    found: dict[str, bytes | None] = {}
    for name in names or sorted(item.name for item in root.iterdir()):
        if name.startswith(".") or (root / name).is_symlink():
            continue
        if (root / name).is_dir():
            found[f"{name}/"] = None
            inner = visible(root / name)
            found |= {f"{name}/{below}": content for below, content in inner.items()}
        else:
            found[name] = (root / name).read_bytes()
    return found


def assert_holds(download: Download, expected: dict[str, bytes | None]) -> None:
    """Open what the browser saved, and compare every name and byte."""
    assert download.failure() is None
    with zipfile.ZipFile(download.path()) as archive:
        assert archive.testzip() is None
        found = {
            entry.filename: None if entry.is_dir() else archive.read(entry)
            for entry in archive.infolist()
        }
    assert found.keys() == expected.keys()
    assert found == expected


@pytest.mark.parametrize("application", ["lab", "notebook7"])
def test_a_folder_comes_down_as_a_zip_that_holds_what_is_in_it(
    request: pytest.FixtureRequest, page: Page, application: str
) -> None:
    server: JupyterProcess = request.getfixturevalue(application)
    fill(server.root)
    with Network(server.port) as network:
        files = FileBrowser(page, network, server).open()
        download = files.download("Download Folder as ZIP", "2026 flights")
        assert download.suggested_filename == "2026 flights.zip"
        assert_holds(download, visible(server.root, "2026 flights"))


def test_a_selection_and_the_whole_folder_come_down_too(files: FileBrowser) -> None:
    root = files.open().server.root
    some = ("2026 flights", "other, 100%.csv")
    assert_holds(files.download("Download as ZIP", *some), visible(root, *some))
    assert_holds(files.download("Download Current Folder as ZIP"), visible(root))
    # One file alone is no archive, and a folder has no link.
    expect(files.menu("big.bin").get_by_text("Download Folder as ZIP")).to_be_hidden()
    files.page.keyboard.press("Escape")
    expect(files.menu("2026 flights").get_by_text("Copy Temporary Link…")).to_be_hidden()


@pytest.mark.faults
def test_what_cannot_be_had_is_said_in_words(files: FileBrowser) -> None:
    files.open()
    (files.server.root / "other, 100%.csv").unlink()
    files.choose("Download (Resumable)", "other, 100%.csv")
    expect(files.dialog).to_contain_text("The server does not have this any more.")
    files.press("Close")
    menu = files.menu("2026 flights")
    files.network.cut()
    menu.get_by_text("Download Folder as ZIP").click()
    expect(files.dialog.last).to_contain_text("The server cannot be reached.")


def test_without_a_picker_the_browser_downloads_and_can_go_on(files: FileBrowser) -> None:
    download = files.open().download("Download (Resumable)", "big.bin")
    assert download.suggested_filename == "big.bin"
    assert digest(download.path()) == digest(files.server.root / "big.bin")
    (head,) = [one for one in files.network.heads("/contents/") if one.startswith("GET")]
    assert "token" not in head.partition("\r\n")[0]


def test_a_file_is_saved_across_a_cut_and_a_reload_and_verified(files: FileBrowser) -> None:
    files.open(PICKER)
    files.network.rate = SLOW
    files.choose("Download (Resumable)", "big.bin")
    wait_for_more_than(files, 10)
    files.network.cut()
    row(files, "waiting").wait_for(timeout=LIMIT)
    files.network.mend()
    wait_for_more_than(files, 30)
    row(files).locator("button[data-transfer=pause]").click()
    row(files, "paused").wait_for(timeout=LIMIT)
    files.network.rate = 0
    files.page.reload()
    files.ready()
    row(files, "paused").wait_for(timeout=LIMIT)
    row(files).locator("button[data-transfer=resume]").click()
    row(files, "done").wait_for(timeout=LIMIT)
    expect(row(files)).to_contain_text("Saved and verified")
    expected = digest(files.server.root / "big.bin")
    assert files.page.evaluate(DIGEST, "big.bin") == expected
    assert min(files.network.ranges("/contents/")) > 0.1 * 7_000_000
    row(files).locator("button[data-transfer=dismiss]").click()
    expect(row(files)).to_have_count(0)


@pytest.mark.faults
def test_a_file_that_became_another_is_never_mixed_with_the_one_begun(files: FileBrowser) -> None:
    files.open(PICKER)
    files.network.rate = SLOW
    files.choose("Download (Resumable)", "big.bin")
    wait_for_more_than(files, 10)
    row(files).locator("button[data-transfer=pause]").click()
    row(files, "paused").wait_for(timeout=LIMIT)
    files.network.rate = 0
    there = files.server.root / "big.bin"
    there.write_bytes(random.Random(3).randbytes(7_000_000))
    row(files).locator("button[data-transfer=resume]").click()
    row(files, "failed").wait_for(timeout=LIMIT)
    expect(row(files)).to_contain_text("The file on the server has changed")
    row(files).locator("button[data-transfer=again]").click()
    row(files, "done").wait_for(timeout=LIMIT)
    assert files.page.evaluate(DIGEST, "big.bin") == digest(there)
    there.unlink()
    row(files).locator("button[data-transfer=dismiss]").click()
    files.choose("Download (Resumable)", "big.bin")
    row(files, "failed").wait_for(timeout=LIMIT)
    expect(row(files)).to_contain_text("The server has no such file any more")


@pytest.mark.faults
def test_where_workers_are_forbidden_the_page_saves_by_itself(
    servers: Callable[..., JupyterProcess], page: Page
) -> None:
    headers = {"Content-Security-Policy": "worker-src 'none'"}
    server = servers(
        "no-workers", options=[f"--ServerApp.tornado_settings={{'headers': {headers}}}"]
    )
    fill(server.root)
    with Network(server.port) as network:
        files = FileBrowser(page, network, server).open(PICKER)
        network.head_start, network.rate = HEAD_START, SLOW
        files.choose("Download (Resumable)", "big.bin")
        wait_for_more_than(files, 10)
        assert page.workers == []
        network.rate = 0
        row(files, "done").wait_for(timeout=LIMIT)
        assert page.evaluate(DIGEST, "big.bin") == digest(server.root / "big.bin")


@pytest.mark.pictures
def test_a_link_opens_the_file_for_a_while_and_can_be_revoked(files: FileBrowser) -> None:
    files.open().choose("Copy Temporary Link…", "other, 100%.csv")
    expect(files.dialog).to_contain_text("without signing in")
    settle(files.page)
    expect_picture(files.page.locator(".jp-Dialog-content"), "dialog-of-link")
    files.dialog.locator("select").select_option(label="10 minutes")
    files.press("Copy Link")
    expect(files.dialog).to_contain_text("Link copied")
    expect(files.dialog).to_contain_text(
        re.compile(r"It downloads “other, 100%\.csv” until .*\d:\d\d.*, or until you revoke it")
    )
    assert complaints(files.page, ".jp-Dialog") == []
    hidden = (".pw-dialog input", ".pw-dialog p")
    expect_picture(files.page.locator(".jp-Dialog-content"), "dialog-of-copied-link", hidden)
    link = files.page.evaluate("navigator.clipboard.readText()")
    assert files.dialog.locator("input").input_value() == link
    assert taken(link) == b"a,b\n1,2\n"
    files.press("Close")
    files.choose("Copy Temporary Link…", "other, 100%.csv")
    expect(files.dialog).to_contain_text("One link to this file is open until")
    files.press("Copy Link")
    expect(files.dialog).to_contain_text("Link copied")
    second = files.page.evaluate("navigator.clipboard.readText()")
    files.press("Revoke")
    expect(files.dialog).to_have_count(0)
    wait_until_closed(files, second)
    assert taken(link) == b"a,b\n1,2\n"
    files.choose("Copy Temporary Link…", "other, 100%.csv")
    files.press("Revoke the Link")
    expect(files.dialog).to_have_count(0)
    wait_until_closed(files, link)


@pytest.mark.faults
def test_where_the_page_may_not_copy_the_link_can_be_taken_by_hand(files: FileBrowser) -> None:
    files.open(
        "navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowed'))"
    )
    files.choose("Copy Temporary Link…", "big.bin")
    files.press("Copy Link")
    expect(files.dialog).to_contain_text("Copy the link from here")
    field = files.dialog.locator("input")
    expect(field).to_be_focused()
    assert files.page.evaluate("getSelection().toString()") == field.input_value()
    assert hashlib.sha256(taken(field.input_value())).hexdigest() == digest(
        files.server.root / "big.bin"
    )


@pytest.mark.faults
def test_menus_and_dialogs_look_right_in_both_languages(files: FileBrowser) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    files.open()
    for theme in THEMES:
        change_theme(files.page, theme)
        shade = theme.split()[1].lower()
        for name in ("big.bin", "2026 flights"):
            files.menu(name)
            files.page.screenshot(path=SCREENSHOTS / f"menu-{name.split('.')[0]}-{shade}.png")
            files.page.keyboard.press("Escape")
        for width in (1280, 420):
            files.page.set_viewport_size({"width": width, "height": 800})
            files.choose("Copy Temporary Link…", "other, 100%.csv")
            picture(files, f"link-question-{shade}-{width}")
            files.press("Copy Link")
            expect(files.dialog).to_contain_text("Link copied")
            picture(files, f"link-answer-{shade}-{width}")
            files.press("Close")


def picture(files: FileBrowser, name: str) -> None:
    settle(files.page)
    files.page.screenshot(path=SCREENSHOTS / f"{name}.png")
    content = files.dialog.locator(".jp-Dialog-content").bounding_box()
    inner = files.dialog.locator(".pw-dialog").bounding_box()
    assert content is not None
    assert inner is not None
    assert content["x"] <= inner["x"]
    assert inner["x"] + inner["width"] <= content["x"] + content["width"]


def change_theme(page: Page, theme: str) -> None:
    page.evaluate(
        """theme => window.jupyterapp.commands
             .execute('apputils:change-theme', {theme}).then(() => null)""",
        theme,
    )
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached", timeout=LIMIT)
    settle(page)


def row(files: FileBrowser, status: str = "") -> Locator:
    state = f"[data-status={status}]" if status else ""
    return files.page.locator(f".pw-transfers:visible .pw-transfer{state}")


def wait_for_more_than(files: FileBrowser, percent: float) -> None:
    files.page.wait_for_function(
        """percent => [...document.querySelectorAll('.pw-transfers [role=progressbar]')]
             .some(bar => Number(bar.getAttribute('aria-valuenow')) > percent)""",
        arg=percent,
        timeout=LIMIT,
    )


def taken(link: str) -> bytes:
    """Take a file by its link, as somebody who never signed in."""
    with urllib.request.urlopen(link, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def wait_until_closed(files: FileBrowser, link: str) -> None:
    """Ask as anybody until the link is closed; what the page asked for is on its way."""
    path = link.partition("/progresswidget/")[2]
    wait_for_answer(
        files.page,
        "async address => (await fetch(address, {credentials: 'omit'})).status === 404",
        f"/progresswidget/{path}",
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        taken(link)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
