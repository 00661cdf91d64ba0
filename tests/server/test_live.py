"""Who has an upload: one request at a time, and nobody once the server stops."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from upload_files import LOG, creation, make_upload, opened

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.streaming.activity import Activity
from jupyter_server_ext.uploads.live import Live
from jupyter_server_ext.uploads.quota import UploadLimits
from jupyter_server_ext.uploads.registry import Uploads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    Eventually = Callable[..., Awaitable[object]]


@pytest.fixture
def live() -> Live:
    return Live(make_upload("a.bin"), 0, 0.0)


@pytest.fixture
def uploads(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Uploads]:
    (tmp_path / "root").mkdir()
    place = opened(tmp_path)
    records, files, _ = jp_asyncio_loop.run_until_complete(place.__aenter__())
    with ThreadPoolExecutor(1) as threads:
        yield Uploads(
            records=records,
            files=files,
            threads=threads,
            time=time.monotonic,
            now=lambda: time.time_ns() // 1_000_000,
            limits=UploadLimits(size=1_000, quota=100_000, count=1_000, expiry=3_600),
            activity=Activity(lambda: None, time=time.monotonic, most=60),
            log=LOG,
        )
    jp_asyncio_loop.run_until_complete(place.__aexit__(None, None, None))


@pytest.mark.parametrize("turns", range(6))
async def test_a_request_that_is_cancelled_just_as_its_turn_comes_ends(
    live: Live, turns: int
) -> None:
    await live.lock.acquire()

    async def request() -> None:
        async with live.hold():
            await asyncio.Event().wait()

    task = asyncio.create_task(request())
    for _ in range(3):
        await asyncio.sleep(0)
    live.lock.release()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    ended = task in done and task.cancelled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended, "it goes on although nobody wants it any more"
    assert not live.lock.locked()


async def test_whoever_waits_for_too_long_is_told_so(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_server_ext.uploads.live.TAKE_OVER", 0.05)
    async with live.hold():
        with pytest.raises(ApiError) as caught:
            async with live.hold():
                pass
    assert caught.value.code == "upload-locked"
    async with live.hold():
        assert live.lock.locked()


async def test_a_stop_waits_once_for_all_that_do_not_let_go(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    patience = 0.5
    monkeypatch.setattr("jupyter_server_ext.uploads.registry.TAKE_OVER", patience)
    lives = [(await uploads.create("user", creation(f"{n}.bin"), None))[0] for n in range(40)]
    told: list[ApiError] = []
    over = asyncio.Event()

    async def hold(each: Live) -> None:
        async with each.hold(told.append):
            await over.wait()

    stuck = [asyncio.create_task(hold(each)) for each in lives[:-1]]
    await eventually(lambda: all(each.lock.locked() for each in lives[:-1]))
    begun = time.monotonic()
    await uploads.stop()
    passed = time.monotonic() - begun
    assert patience <= passed < len(stuck) * patience / 2
    assert [error.code for error in told] == ["starting"] * len(stuck)
    assert lives[-1].lock.locked(), "what was free nobody takes any more"
    over.set()
    await asyncio.gather(*stuck)


async def test_a_stop_is_over_as_soon_as_all_have_let_go(
    uploads: Uploads, eventually: Eventually
) -> None:
    lives = [(await uploads.create("user", creation(f"{n}.bin"), None))[0] for n in range(3)]

    async def hold(each: Live) -> None:
        over = asyncio.Event()
        async with each.hold(lambda _: over.set()):
            await over.wait()

    requests = [asyncio.create_task(hold(each)) for each in lives]
    await eventually(lambda: all(each.lock.locked() for each in lives))
    async with asyncio.timeout(4):
        await uploads.stop()
    await asyncio.gather(*requests)
    assert all(each.lock.locked() for each in lives)


async def test_one_upload_that_cannot_be_taken_up_now_keeps_no_other_from_it(
    uploads: Uploads, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    going, _ = await uploads.create("user", creation("a.bin"), None)
    # As if its server had died with both names in its hands, and somebody had swapped one of them.
    target = tmp_path / "root" / "b.bin"
    target.write_bytes(b"content")
    status = target.stat()
    stuck = replace(make_upload("b.bin"), state="publishing", inode=(status.st_dev, status.st_ino))
    await asyncio.to_thread(uploads._records.save, stuck)
    (tmp_path / "root" / stuck.staged).mkdir()
    uploads._known.live.clear()
    await uploads.load()
    await uploads.recover()
    assert uploads.ids() == {going.upload.id}
    assert "left alone until the next start" in caplog.text
    (tmp_path / "root" / stuck.staged).rmdir()
    await uploads.load()
    await uploads.recover()
    assert uploads.ids() == {going.upload.id, stuck.id}
