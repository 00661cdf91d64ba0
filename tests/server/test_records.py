"""Records of uploads: kept before what they tell of is done, whatever store and clock do."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from upload_files import make_store, make_upload, no_room, opened

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.uploads.records import UploadRecords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jupyter_server_ext.model.upload import Upload

    Eventually = Callable[..., Awaitable[object]]


async def kept(place: Path) -> list[Upload]:
    """Return what the next server knows."""
    async with opened(place) as (_, _, before):
        return before


async def test_what_a_thread_has_saved_the_next_server_knows(tmp_path: Path) -> None:
    async with opened(tmp_path) as (records, _, before):
        assert before == []
        saved = await asyncio.to_thread(records.save, make_upload("a.bin"))
        soon = await asyncio.to_thread(records.save_soon, replace(saved, id="b" * 32))
        await asyncio.to_thread(records.save, replace(saved, id="c" * 32))
        await asyncio.to_thread(records.forget, "c" * 32)
    assert sorted(await kept(tmp_path), key=lambda upload: upload.id) == [saved, soon]


async def test_of_two_records_the_later_counts_whatever_the_clock_says(tmp_path: Path) -> None:
    clock = iter([9_000_000_000_000, 5_000, 6_000])
    (tmp_path / "server").mkdir()
    records = UploadRecords(make_store(tmp_path / "server"), lambda: next(clock))
    await records.load()
    upload = make_upload("a.bin")
    first = await asyncio.to_thread(records.save, replace(upload, state="publishing"))
    # As after a step that was refused: who goes on has the record of before it.
    with closing(sqlite3.connect(tmp_path / "server" / "uploads.sqlite")) as other:
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        second = await asyncio.to_thread(records.save, upload)
        line = (tmp_path / "server" / "uploads.jsonl").read_bytes()
        other.execute("COMMIT")
    assert second.updated > first.updated
    third = await asyncio.to_thread(records.save, second)
    assert third.updated > second.updated
    await records.close()
    # As if the server had been killed while the database was locked.
    (tmp_path / "server" / "uploads.jsonl").write_bytes(line)
    (tmp_path / "server" / "uploads.sqlite").unlink()
    async with opened(tmp_path) as (again, _, before):
        assert before == [second]
        assert (await asyncio.to_thread(again.save, upload)).updated > second.updated


async def test_where_nothing_can_be_written_only_what_must_be_is_refused(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with opened(tmp_path) as (records, _, _):
        upload = await asyncio.to_thread(records.save, make_upload("a.bin"))
        with no_room():
            with pytest.raises(ApiError) as caught:
                await asyncio.to_thread(partial(records.save, upload, surely=True))
            assert caught.value.code == "disk-failed"
            going = await asyncio.to_thread(records.save, replace(upload, length=8))
            assert records.health.degraded
        await eventually(lambda: not records.health.degraded)
    (tmp_path / "server" / "uploads.jsonl").unlink()
    assert await kept(tmp_path) == [going]


async def test_a_database_that_is_locked_holds_no_thread_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as (records, _, _):
        gone = await asyncio.to_thread(records.save, make_upload("a.bin"))
        with closing(sqlite3.connect(tmp_path / "server" / "uploads.sqlite")) as other:
            other.isolation_level = None
            other.execute("BEGIN EXCLUSIVE")
            begun = time.monotonic()
            upload = replace(gone, id="b" * 32)
            upload = await asyncio.to_thread(partial(records.save, upload, surely=True))
            await asyncio.to_thread(records.forget, gone.id)
            assert time.monotonic() - begun < 5, "SQLite itself would wait for ten"
            other.execute("COMMIT")
    assert await kept(tmp_path) == [upload]


async def test_a_thread_that_comes_too_late_does_nothing_that_it_cannot_write_down(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (records, _, _):
        upload = await asyncio.to_thread(records.save, make_upload("a.bin"))
        await records.close()
        with pytest.raises(ApiError) as caught:
            await asyncio.to_thread(partial(records.save, upload, surely=True))
        assert caught.value.code == "starting"
        await asyncio.to_thread(records.save_soon, replace(upload, state="done"))
        await asyncio.to_thread(records.forget, upload.id)
        records.use(MemoryStore())
        await asyncio.to_thread(partial(records.save, upload, surely=True))
    assert await kept(tmp_path) == [upload]


def test_a_thread_outlives_the_loop(tmp_path: Path) -> None:
    async def begin() -> UploadRecords:
        async with opened(tmp_path) as (records, _, _):
            return records

    records = asyncio.run(begin())
    upload = make_upload("a.bin")
    with pytest.raises(ApiError):
        records.save(upload, surely=True)
    assert records.save_soon(upload) == upload
    records.forget(upload.id)


async def test_what_a_store_has_lost_is_saved_again(tmp_path: Path, eventually: Eventually) -> None:
    async with opened(tmp_path) as (records, _, _):
        upload = await asyncio.to_thread(records.save, make_upload("a.bin"))
        store = records._store
        lost = asyncio.Event()

        def emptied() -> None:
            records.save_again([upload])
            lost.set()

        store.emptied = emptied
        await eventually(lambda: not store._store._newest)  # type: ignore[attr-defined]
        for path in (tmp_path / "server").glob("uploads.sqlite*"):
            path.unlink()
        other = await asyncio.to_thread(records.save, replace(upload, id="b" * 32))
        await lost.wait()
    (tmp_path / "server" / "uploads.jsonl").unlink()
    assert sorted(await kept(tmp_path), key=lambda one: one.id) == [upload, other]
