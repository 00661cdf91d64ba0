"""Behind a real JupyterHub: its proxy, its cookies and tokens, and its wish to end what idles."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from hubs import PASSWORD, Hub, Kernel
from laboratory import eventually
from page import Page, RefusedError
from uploading import Uploader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import Server

    from progresswidget.protocol import Json

pytestmark = pytest.mark.faults

CONTENT = random.Random(5).randbytes(5 << 20)
FETCH: Final = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
"""What a browser says of itself with each `fetch` of a page, and no page can change."""

EXPORT = """
import json, pathlib, pyarrow as pa, progresswidget as pw
def batches():
    for start in range(0, 400_000, 20_000):
        while start == 200_000 and not pathlib.Path("go").exists():
            pass
        yield pa.record_batch({"n": pa.array(range(start, start + 20_000))})
job = pw.export(batches, "numbers.csv", background=True)
print(job.id)
"""
# A batch now and then, for as long as nobody says stop, in a process that shows nothing: a kernel's
# messages are activity by themselves.
SLOW_EXPORT = """
import pathlib, time, pyarrow as pa, progresswidget as pw
def batches():
    start = 0
    while not pathlib.Path("stop").exists():
        yield pa.record_batch({"n": pa.array(range(start, start + 50_000))})
        start += 50_000
        time.sleep(0.1)
pw.export(batches, "slow.csv")
"""
SCRIPT = """
import subprocess, sys
script = subprocess.Popen([sys.executable, "-c", SLOW_EXPORT])
"""
OWN_SERVER = """
import json, pathlib
pathlib.Path("sent.bin").write_bytes(pathlib.Path("source.bin").read_bytes())
export = pw.export(pa.table({"n": range(1000)}), "small.csv")
jobs = [
    pw.download("contents/source.bin", "received.bin"),
    pw.download(export.url, "again.csv"),
    pw.upload("sent.bin", "uploads/", name="arrived.bin"),
]
print(json.dumps([[job.state for job in jobs], export.link(60)]))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def alice(hub: Hub) -> Server:
    return hub.start("alice")


@pytest.fixture(scope="module")
def bob(hub: Hub) -> Server:
    return hub.start("bob")


@pytest.fixture
def kernel(alice: Server) -> Iterator[Kernel]:
    with Kernel(alice) as kernel:
        yield kernel


@pytest.fixture
def browser(hub: Hub, alice: Server) -> Iterator[httpx.Client]:
    """What a browser has after a person has signed in and has opened their server."""
    with httpx.Client(base_url=f"http://127.0.0.1:{hub.port}", follow_redirects=True) as browser:
        browser.get("/hub/login")
        word = browser.cookies.get("_xsrf", path="/hub/")
        form = {"username": "alice", "password": PASSWORD, "_xsrf": word}
        browser.post("/hub/login", data=form)
        assert browser.get(alice.base_url + "tree").status_code == 200
        yield browser


def exported(alice: Server, kernel: Kernel) -> Json:
    """Return the record of a finished export of a kernel."""
    (alice.root / "go").touch()
    task_id = kernel.run(EXPORT + "_ = job.result()").strip()
    record: Json = alice.request("GET", f"api/jobs/{task_id}").json
    assert record["status"] == "done"
    return record


def xsrf(browser: httpx.Client, server: Server) -> dict[str, str]:
    """Return what a page reads in its cookie and sends along."""
    return {"X-XSRFToken": str(browser.cookies.get("_xsrf", path=server.base_url))}


def refused(server: Server, **headers: str | None) -> int:
    """Return the status with which a page is refused."""
    with pytest.raises(RefusedError) as caught, Page(server, headers):
        pass
    return caught.value.answer.status


def test_an_export_behind_a_hub_is_listed_pushed_and_downloaded(
    alice: Server, kernel: Kernel
) -> None:
    (alice.root / "go").unlink(missing_ok=True)
    task_id = kernel.run(EXPORT).strip()
    assert task_id in [job["taskId"] for job in alice.request("GET", "api/jobs").json]
    with Page(alice) as page:
        first = page.subscribe(task_id)
        (alice.root / "go").touch()
        last = page.await_type("task_complete")
        assert (last["data"]["status"], last["epoch"]) == ("done", first["epoch"])
    answer = alice.request("GET", last["data"]["url"])
    assert answer.body == (alice.root / "numbers.csv").read_bytes()
    assert hashlib.sha256(answer.body).hexdigest() == last["data"]["sha256"]
    half = alice.request("GET", last["data"]["url"], headers={"Range": "bytes=1000-"})
    assert (half.status, half.body) == (206, answer.body[1000:])


def test_a_page_has_a_cookie_and_says_the_word_with_all_that_it_fetches(
    browser: httpx.Client, alice: Server, kernel: Kernel
) -> None:
    record = exported(alice, kernel)
    content, word = (alice.root / "numbers.csv").read_bytes(), xsrf(browser, alice)
    # The browser's own download is a navigation, and needs no more than the cookie.
    response = browser.get(record["url"], headers={"Sec-Fetch-Mode": "navigate"})
    assert (response.status_code, response.content) == (200, content)
    for method in ("HEAD", "GET"):
        for path in (record["url"], alice.path("contents/numbers.csv")):
            assert browser.request(method, path, headers=FETCH).status_code == 403
            assert browser.request(method, path, headers=FETCH | word).status_code == 200
    links = alice.path(f"api/jobs/{record['taskId']}/links")
    assert browser.post(links, json={"expires": 60}).status_code == 403
    assert browser.post(links, json={"expires": 60}, headers=word).status_code == 201


def test_a_page_of_the_hub_has_the_live_channel_and_one_of_another_origin_has_not(
    browser: httpx.Client, alice: Server
) -> None:
    cookies = [c for c in browser.cookies.jar if alice.base_url.startswith(c.path)]
    own: dict[str, str | None] = {
        "Authorization": None,
        "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies),
    }
    with Page(alice, own | {"Origin": f"http://127.0.0.1:{alice.port}"}) as page:
        page.send("ping")
        page.await_type("pong")
    assert refused(alice, **own | {"Origin": "http://elsewhere.example"}) == 403


def test_a_signed_link_needs_no_login_and_is_in_no_log(
    hub: Hub, alice: Server, kernel: Kernel
) -> None:
    record = exported(alice, kernel)
    links = f"api/jobs/{record['taskId']}/links"
    link = alice.request("POST", links, body=b'{"expires": 60}').json["url"]
    answer = alice.request("GET", link, token=None)
    assert answer.body == (alice.root / "numbers.csv").read_bytes()
    assert alice.request("DELETE", links).status == 204
    assert alice.request("GET", link, token=None).status == 404
    assert link.split("/")[-2] not in hub.log


def test_an_upload_goes_through_the_proxy_in_pieces(alice: Server) -> None:
    through = Uploader(alice)
    upload = through.created(len(CONTENT))
    assert through.patch(upload, 0, CONTENT[: 1 << 20]).offset == 1 << 20
    assert through.offset(upload) == 1 << 20
    through.finish(upload, CONTENT, chunk=1 << 20)
    assert through.target.read_bytes() == CONTENT


def test_a_kernel_needs_no_token_for_its_own_server(alice: Server, kernel: Kernel) -> None:
    (alice.root / "source.bin").write_bytes(CONTENT)
    exported(alice, kernel)
    states, link = json.loads(kernel.run(OWN_SERVER).splitlines()[-1])
    assert states == ["done"] * 3
    for name in ("received.bin", "arrived.bin"):
        assert (alice.root / name).read_bytes() == CONTENT
    small = (alice.root / "small.csv").read_bytes()
    assert (alice.root / "again.csv").read_bytes() == small
    # For others: it leads to the proxy, and not to the port that only this machine reaches.
    assert link.startswith(f"http://127.0.0.1:{alice.port}{alice.base}links/")
    assert httpx.get(link).content == small


def test_another_person_is_refused(hub: Hub, alice: Server, bob: Server, kernel: Kernel) -> None:
    record = exported(alice, kernel)
    weak = hub.token("alice", "read:users!user=alice")
    for token in (bob.token, weak, "0" * 32, None):
        for path in ("api/jobs", "contents/numbers.csv", record["url"]):
            assert alice.request("GET", path, token=token).status == 403
        upload = Uploader(alice, token=token).create(1)
        assert upload.status == 403
        assert refused(alice, Authorization=token and f"token {token}") == 403
    # Nor does the secret of somebody else's server count for a kernel.
    (bobs,) = bob.folder.glob(".local/share/jupyter/runtime/progresswidget/*/endpoint.json")
    secret = json.loads(bobs.read_text())["secret"]
    headers = {"Authorization": f"Kernel {secret}"}
    path = f"api/jobs/{record['taskId']}"
    answer = alice.request("PUT", path, headers=headers, body=b"{}", token=None)
    assert (answer.status, answer.code) == (403, "kernel-secret-wrong")
    assert bob.request("GET", "api/jobs").json == []


def test_an_export_that_moves_is_activity_for_the_hub(
    hub: Hub, alice: Server, kernel: Kernel
) -> None:
    (alice.root / "stop").unlink(missing_ok=True)
    kernel.run(f"SLOW_EXPORT = {SLOW_EXPORT!r}\n{SCRIPT}")
    # From here on nobody asks the server anything, and the kernel says nothing.
    try:
        seen = {hub.last_activity("alice")}
        eventually(lambda: seen.add(hub.last_activity("alice")) or len(seen) >= 6)
    finally:
        (alice.root / "stop").touch()
        assert kernel.run("print(script.wait(60))").strip() == "0"
