"""Resumable uploads in the file browser: by command and by drop, cut, reloaded, picked again."""

from __future__ import annotations

import hashlib
import os
import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest
from network import Network
from page_objects import LIMIT, SCREENSHOTS, dismiss_dialogs_on, file_browser_url, settle
from playwright.sync_api import FileChooser, Locator, Page, Route, expect
from test_looks import THEMES, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

SIZE = 20_000_000
SLOW = 1_000_000.0
HEAD_START = 5_000_000
"""Bytes a second at which the file takes some seconds."""

NO_PICKER = "delete window.showOpenFilePicker;"
# In the place of the picker, which cannot be driven: a file of the browser's own file system, which
# is a real handle in every other respect.
PICKER = """
window.showOpenFilePicker = async () => {
  const root = await navigator.storage.getDirectory();
  const handle = await root.getFileHandle('big.bin', {create: true});
  if ((await handle.getFile()).size === 0) {
    const writable = await handle.createWritable();
    for (let n = 0; n < 20; n += 1) {
      await writable.write(crypto.getRandomValues(new Uint8Array(65_536)));
      await writable.write(new Uint8Array(1_000_000 - 65_536).fill(n));
    }
    await writable.close();
  }
  return [handle];
};
"""
PICKED_DIGEST = """
async () => {
  const root = await navigator.storage.getDirectory();
  const file = await (await root.getFileHandle('big.bin')).getFile();
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
"""


class Uploading:
    """A file browser behind a line that can be cut."""

    def __init__(self, page: Page, network: Network, server: JupyterProcess) -> None:
        self.page, self.network, self.server = page, network, server

    def open(self, script: str = NO_PICKER) -> Uploading:
        """Open the page that has the file browser."""
        self.page.add_init_script(script)
        behind = replace(self.server, port=self.network.port)
        self.page.goto(file_browser_url(behind))
        return self.ready()

    def ready(self) -> Uploading:
        """Wait until the file browser lists its folder."""
        self.page.wait_for_selector(".jp-DirListing-content", timeout=LIMIT)
        self.page.wait_for_function("window.jupyterapp?.restored", timeout=LIMIT)
        self.page.evaluate("window.jupyterapp.restored.then(() => null)")
        return self

    def reload(self) -> Uploading:
        """Reload the page as a user does."""
        self.page.reload()
        return self.ready()

    def begin(self) -> None:
        """Execute the command, which asks for a file."""
        self.page.evaluate(
            "() => { void window.jupyterapp.commands.execute('progresswidget:upload'); }"
        )

    def choose(self, *files: Path) -> None:
        """Execute the command, and choose files."""
        with self.page.expect_file_chooser(timeout=LIMIT) as chooser:
            self.begin()
        chooser.value.set_files([str(file) for file in files])

    def rows(self, *statuses: str) -> Locator:
        """Return the bars of uploads, or those in one of the states."""
        states = ", ".join(f"[data-status={status}]" for status in statuses)
        state = f":is({states})" if statuses else ""
        return self.page.locator(f".pw-transfers:visible .pw-transfer{state}")

    def wait_for(self, status: str) -> None:
        """Wait until the one upload is in a state."""
        self.rows(status).wait_for(timeout=LIMIT)

    def press(self, name: str) -> None:
        """Press a button of the one upload."""
        self.rows().locator(f"button[data-transfer={name}]").click()

    def press_and_choose(self, file: Path) -> FileChooser:
        """Press "Continue", and choose a file."""
        with self.page.expect_file_chooser(timeout=LIMIT) as chooser:
            self.press("resume")
        chooser.value.set_files(str(file))
        return chooser.value

    def wait_for_more_than(self, percent: float) -> None:
        """Wait until more than that has been sent."""
        self.page.wait_for_function(
            """percent => {
              const bar = document.querySelector('.pw-transfers [role=progressbar]');
              return bar && Number(bar.getAttribute('aria-valuenow')) > percent;
            }""",
            arg=percent,
            timeout=LIMIT,
        )

    def answer(self, label: str) -> None:
        """Answer the question that is asked."""
        dialog = self.page.locator(".jp-Dialog")
        dialog.locator(".jp-Dialog-footer").get_by_text(label, exact=True).click()
        dialog.wait_for(state="detached", timeout=LIMIT)

    def offsets(self) -> list[int]:
        """Return the offsets of the pieces that were sent."""
        pattern = re.compile(r"^upload-offset: (\d+)", re.IGNORECASE | re.MULTILINE)
        heads = [head for head in self.network.heads("/uploads/") if head.startswith("PATCH")]
        return [int(match[1]) for match in map(pattern.search, heads) if match]

    def drop(self, *files: Path) -> None:
        """Drop files from the outside, as the browser's own drag and drop does it."""
        box = self.page.locator(".jp-DirListing-content").bounding_box()
        assert box is not None
        devtools = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] - 20}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})

    def assert_arrived(self, file: Path) -> None:
        """Wait until the file browser shows a file, and compare it."""
        item = self.page.locator(".jp-DirListing-item", has_text=file.name)
        expect(item).to_have_count(1, timeout=LIMIT)
        assert digest(self.server.root / file.name) == digest(file)

    def look(self, name: str) -> None:
        """Take pictures of the file browser in both themes, and judge the list."""
        SCREENSHOTS.mkdir(exist_ok=True)
        for theme in THEMES:
            self.page.evaluate(
                """theme => window.jupyterapp.commands
                     .execute('apputils:change-theme', {theme}).then(() => null)""",
                theme,
            )
            body = f"body[data-jp-theme-name='{theme}']"
            self.page.wait_for_selector(body, state="attached", timeout=LIMIT)
            settle(self.page)
            path = SCREENSHOTS / f"{name}-{theme.split()[1].lower()}.png"
            self.page.locator("#filebrowser").screenshot(path=path)
            judge(self.page, ".pw-transfers")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def uploading(lab: JupyterProcess, page: Page) -> Iterator[Uploading]:
    with Network(lab.port) as network:
        network.head_start = HEAD_START
        yield Uploading(page, network, lab)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def test_an_upload_arrives_in_small_checked_requests_and_shows_in_the_list(
    uploading: Uploading, big: Path
) -> None:
    uploading.open().choose(big)
    uploading.wait_for("done")
    expect(uploading.rows()).to_contain_text("Uploaded and verified")
    uploading.assert_arrived(big)
    patches = [h for h in uploading.network.heads("/uploads/") if h.startswith("PATCH")]
    assert len(patches) > 2
    for head in patches:
        assert "token" not in head.partition("\r\n")[0]
        assert re.search(r"^x-xsrftoken: .", head, re.IGNORECASE | re.MULTILINE)
        assert re.search(r"^upload-checksum: sha256 ", head, re.IGNORECASE | re.MULTILINE)
        length = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
        assert length is not None
        assert int(length[1]) <= 8 * 1024 * 1024
    uploading.press("dismiss")
    expect(uploading.rows()).to_have_count(0)
    uploading.reload()
    expect(uploading.rows()).to_have_count(0)


def test_an_upload_goes_on_by_itself_after_the_line_was_lost(
    uploading: Uploading, big: Path
) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(10)
    uploading.network.cut()
    uploading.wait_for("waiting")
    expect(uploading.rows()).to_contain_text(re.compile(r"Trying again, \d of 5"))
    uploading.network.upload_rate = 0
    before = len(uploading.offsets())
    uploading.network.mend()
    uploading.wait_for("done")
    uploading.assert_arrived(big)
    assert uploading.offsets()[before] > 0


@pytest.mark.faults
def test_after_a_reload_the_same_file_goes_on_and_another_is_refused(
    uploading: Uploading, big: Path, tmp_path: Path
) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(20)
    uploading.reload()
    uploading.network.upload_rate = 0
    uploading.wait_for("paused")
    expect(uploading.rows()).to_contain_text("choose the same file or folder again")
    other = tmp_path / "other" / big.name
    other.parent.mkdir()
    content = bytearray(big.read_bytes())
    content[7] ^= 1
    other.write_bytes(content)
    times = big.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    uploading.press_and_choose(other)
    uploading.wait_for("failed")
    expect(uploading.rows()).to_contain_text("That is not the file that was begun")
    before = len(uploading.offsets())
    uploading.press_and_choose(big)
    uploading.wait_for("done")
    uploading.assert_arrived(big)
    assert uploading.offsets()[before] > 0.1 * SIZE


def test_a_file_with_a_handle_goes_on_by_itself_after_a_reload(uploading: Uploading) -> None:
    uploading.open(PICKER)
    uploading.network.upload_rate = SLOW
    uploading.begin()
    uploading.wait_for_more_than(20)
    before = len(uploading.offsets())
    uploading.reload()
    uploading.network.upload_rate = 0
    uploading.wait_for("done")
    assert uploading.offsets()[before] > 0.1 * SIZE
    assert digest(uploading.server.root / "big.bin") == uploading.page.evaluate(PICKED_DIGEST)


def test_the_tree_of_notebook_7_has_it_too(
    notebook7: JupyterProcess, page: Page, big: Path
) -> None:
    with Network(notebook7.port) as network:
        uploading = Uploading(page, network, notebook7).open()
        uploading.choose(big)
        uploading.wait_for("done")
        uploading.assert_arrived(big)


def test_a_pause_holds_and_a_cancel_leaves_nothing_on_the_server(
    uploading: Uploading, big: Path
) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(10)
    uploading.press("pause")
    uploading.wait_for("paused")
    sent = len(uploading.offsets())
    uploading.press("resume")
    uploading.wait_for("running")
    uploading.press("cancel")
    expect(uploading.rows()).to_have_count(0, timeout=LIMIT)
    assert len(uploading.offsets()) >= sent
    assert [item.name for item in uploading.server.root.iterdir() if "big" in item.name] == []


def test_a_dropped_large_file_is_ours_and_a_small_one_jupyterlabs(
    uploading: Uploading, big: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.txt"
    small.write_text("a few words")
    uploading.open()
    uploading.drop(small)
    uploading.assert_arrived(small)
    expect(uploading.rows()).to_have_count(0)
    assert uploading.network.heads("/uploads/") == []
    uploading.drop(big)
    uploading.wait_for("done")
    uploading.assert_arrived(big)


@pytest.fixture
def dropped(big: Path, tmp_path: Path) -> Path:
    """Make a folder with a large file deep in it, a small one, an empty folder and a hidden one."""
    folder = tmp_path / "2026-11 flights"
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "secret.txt").write_text("not for the server")
    (folder / "small.txt").write_text("a few words")
    big.rename(folder / "inner" / "deep" / "inside.bin")
    return folder


def assert_whole(uploading: Uploading, folder: Path, name: str = "") -> None:
    """Compare a folder of the server with the one that was dropped."""
    there = uploading.server.root / (name or folder.name)
    found = {str(path.relative_to(there)) for path in there.rglob("*")}
    assert found == {"empty", "inner", "inner/deep", "inner/deep/inside.bin", "small.txt"}
    for path in ("small.txt", "inner/deep/inside.bin"):
        assert digest(there / path) == digest(folder / path)


def test_a_dropped_folder_has_one_bar_and_is_asked_about_once(
    uploading: Uploading, dropped: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "beside.txt"
    beside.write_text("a file beside the folder")
    uploading.open().drop(dropped, beside)
    expect(uploading.rows("done")).to_have_count(2, timeout=LIMIT)
    expect(uploading.page.locator(".jp-mod-native-drop")).to_have_count(0)
    folder = uploading.rows().filter(has_text=dropped.name)
    expect(folder).to_contain_text("2 of 2 files · 1 hidden or unreadable left out")
    uploading.assert_arrived(beside)
    assert_whole(uploading, dropped)
    kept = uploading.server.root / dropped.name / "small.txt"
    kept.write_text("changed on the server")
    uploading.drop(dropped)
    dialog = uploading.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("2 files of “2026-11 flights” are there already", timeout=LIMIT)
    uploading.answer("Keep Both")
    uploading.wait_for("done")
    assert_whole(uploading, dropped, "2026-11 flights (1)")
    assert kept.read_text() == "changed on the server"
    uploading.drop(dropped)
    uploading.answer("Replace")
    uploading.wait_for("done")
    assert_whole(uploading, dropped)
    # What JupyterLab's own setting forbids, nobody does.
    patches = len(uploading.offsets())
    uploading.page.evaluate(
        """() => { window.jupyterapp.shell.widgets('left').find(
             widget => widget.id === 'filebrowser').allowFileUploads = false; }"""
    )
    uploading.drop(dropped)
    settle(uploading.page)
    expect(uploading.page.locator(".jp-Dialog")).to_have_count(0)
    assert len(uploading.offsets()) == patches


@pytest.mark.faults
def test_a_dropped_folder_is_paused_and_goes_on_after_a_reload(
    uploading: Uploading, dropped: Path
) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().drop(dropped)
    uploading.wait_for_more_than(20)
    uploading.look("upload-folder-running")
    uploading.press("pause")
    uploading.wait_for("paused")
    sent = len(uploading.offsets())
    uploading.reload()
    uploading.network.upload_rate = 0
    uploading.wait_for("paused")
    uploading.look("upload-folder-after-reload")
    uploading.press("resume")
    uploading.wait_for("done")
    assert_whole(uploading, dropped)
    assert uploading.offsets()[sent] > 0.1 * SIZE


def test_an_upload_that_another_request_holds_waits_in_words_and_goes_on(
    uploading: Uploading, big: Path
) -> None:
    held = [True]
    problem = {"code": "upload-locked", "message": "Another request writes to it.", "hint": ""}

    def answer(route: Route) -> None:
        if held and route.request.method == "PATCH":
            route.fulfill(status=423, json=problem, headers={"Retry-After": "1"})
        else:
            route.continue_()

    uploading.page.context.route("**/progresswidget/uploads/**", answer)
    uploading.open().choose(big)
    expect(uploading.rows()).to_contain_text(re.compile(r"Trying again, \d of 5"), timeout=LIMIT)
    held.clear()
    uploading.wait_for("done")
    uploading.assert_arrived(big)


def test_a_file_that_is_there_is_replaced_only_after_a_question(
    uploading: Uploading, big: Path
) -> None:
    there = uploading.server.root / big.name
    there.write_text("older")
    uploading.open().choose(big)
    uploading.answer("Cancel")
    assert there.read_text() == "older"
    uploading.choose(big)
    uploading.answer("Replace")
    uploading.wait_for("done")
    uploading.assert_arrived(big)


@pytest.mark.faults
def test_a_file_whose_name_is_taken_can_be_kept_beside_the_other(
    uploading: Uploading, big: Path
) -> None:
    root = uploading.server.root
    (root / "big.bin").write_text("older")
    (root / "big (1).bin").write_text("older still")
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.answer("Keep Both")
    expect(uploading.rows()).to_contain_text("big (2).bin")
    uploading.wait_for_more_than(10)
    # The other name is the server's affair: here the file is still called as it is.
    uploading.reload()
    uploading.network.upload_rate = 0
    uploading.wait_for("paused")
    uploading.press_and_choose(big)
    uploading.wait_for("done")
    assert digest(root / "big (2).bin") == digest(big)
    assert (root / "big.bin").read_text() == "older"


def test_many_files_are_sent_two_at_a_time(uploading: Uploading, tmp_path: Path) -> None:
    files = [tmp_path / f"part {number}.bin" for number in range(9)]
    for number, file in enumerate(files):
        file.write_bytes(random.Random(number).randbytes(100_000 * number))
    uploading.network.head_start = 0
    uploading.network.upload_rate = SLOW
    uploading.open().choose(*files)
    expect(uploading.rows("queued").first).to_be_visible(timeout=LIMIT)
    # Counted in one look: one after the other, a file might be counted twice in its two states.
    assert uploading.rows("running", "starting").count() <= 2
    uploading.network.upload_rate = 0
    expect(uploading.rows("done")).to_have_count(len(files), timeout=LIMIT)
    for file in files:
        uploading.assert_arrived(file)


@pytest.mark.faults
def test_what_the_server_has_forgotten_is_sent_once_more(uploading: Uploading, big: Path) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(10)
    uploading.press("pause")
    uploading.wait_for("paused")
    head = next(h for h in uploading.network.heads("/uploads/") if h.startswith("PATCH"))
    address = head.split(" ")[1].removeprefix("/")
    remove(uploading.server, address)
    uploading.network.upload_rate = 0
    before = len(uploading.offsets())
    uploading.press("resume")
    uploading.wait_for("done")
    uploading.assert_arrived(big)
    assert uploading.offsets()[before] == 0


@pytest.fixture
def small(servers: Callable[..., JupyterProcess], page: Page) -> Iterator[Uploading]:
    options = [
        "--ProgressExtension.max_upload_size=10000000",
        "--ProgressExtension.upload_quota=5000000",
    ]
    server = servers("small", options=options)
    with Network(server.port) as network:
        yield Uploading(page, network, server)
    server.clear()


def test_what_the_server_does_not_take_is_told_in_words(
    small: Uploading, big: Path, tmp_path: Path
) -> None:
    small.open().choose(big)
    small.wait_for("failed")
    expect(small.rows()).to_contain_text("The file is larger than the server takes")
    small.press("dismiss")
    medium = tmp_path / "medium.bin"
    medium.write_bytes(bytes(6_000_000))
    small.choose(medium)
    small.wait_for("failed")
    expect(small.rows()).to_contain_text("Your unfinished uploads fill your share of the server")
    assert list(small.server.root.iterdir()) == []


def remove(server: JupyterProcess, address: str) -> None:
    """Delete an upload as its owner may from elsewhere."""
    request = Request(server.url + address, method="DELETE")
    request.add_header("Authorization", f"token {server.token}")
    request.add_header("Tus-Resumable", "1.0.0")
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 204


@pytest.mark.faults
def test_a_name_that_was_taken_meanwhile_is_told_and_asked_about(
    uploading: Uploading, big: Path
) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(10)
    there = uploading.server.root / big.name
    there.write_text("quicker")
    uploading.network.upload_rate = 0
    uploading.wait_for("failed")
    expect(uploading.rows()).to_contain_text("The folder has a file of this name already")
    assert there.read_text() == "quicker"
    uploading.press("again")
    uploading.answer("Replace")
    uploading.wait_for("done")
    uploading.assert_arrived(big)


@pytest.mark.faults
def test_a_server_that_stays_away_is_told_in_words(uploading: Uploading, big: Path) -> None:
    uploading.network.upload_rate = SLOW
    uploading.open().choose(big)
    uploading.wait_for_more_than(10)
    uploading.network.cut()
    uploading.wait_for("failed")
    dismiss_dialogs_on(uploading.page)
    expect(uploading.rows()).to_contain_text("The server cannot be reached")
    uploading.network.upload_rate = 0
    uploading.network.mend()
    uploading.press("resume")
    uploading.wait_for("done")
    uploading.assert_arrived(big)


@pytest.mark.faults
def test_the_list_of_uploads_looks_right(uploading: Uploading, big: Path, tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("2026-11 flights, all carriers.parquet", "c.bin")]
    for other in others:
        other.write_bytes(bytes(SIZE // 4))
    uploading.open().choose(others[0])
    uploading.wait_for("done")
    uploading.network.upload_rate = SLOW / 4
    uploading.choose(big, others[1])
    expect(uploading.rows("running")).to_have_count(2, timeout=LIMIT)
    uploading.wait_for_more_than(1)
    uploading.look("upload-running")
    uploading.rows("running").first.locator("button[data-transfer=pause]").click()
    expect(uploading.rows("paused")).to_have_count(1, timeout=LIMIT)
    uploading.look("upload-paused")
    uploading.reload()
    expect(uploading.rows("paused")).to_have_count(2, timeout=LIMIT)
    uploading.look("upload-after-reload")
