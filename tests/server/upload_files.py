"""The files of uploads and their records, without a server around them."""

from __future__ import annotations

import logging
import resource
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from jupyter_server_ext.model.upload import Creation, Upload
from jupyter_server_ext.stores import UPLOADS
from jupyter_server_ext.stores.sidecar import WithSidecar
from jupyter_server_ext.stores.sqlite import SqliteStore
from jupyter_server_ext.uploads.files import UploadFiles
from jupyter_server_ext.uploads.records import UploadRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

LOG = logging.getLogger("test_uploads")


def creation(name: str) -> Creation:
    return Creation(7, (), name, "", None, False, None, "")  # noqa: FBT003 - does not overwrite


def make_upload(name: str) -> Upload:
    return Upload("a" * 32, "user", creation(name), 7, 1, 2)


def make_store(folder: Path) -> WithSidecar[Upload]:
    """Make the store that a server has."""
    folder.mkdir(exist_ok=True)
    store = SqliteStore(UPLOADS, folder / "uploads.sqlite", interval=0.01, log=LOG)
    return WithSidecar(UPLOADS, store, folder / "uploads.jsonl", LOG, batched=True)


@asynccontextmanager
async def opened(place: Path) -> AsyncIterator[tuple[UploadRecords, UploadFiles, list[Upload]]]:
    """Give what a server has, and what the one before knew."""
    records = UploadRecords(make_store(place / "server"), lambda: time.time_ns() // 1_000_000)
    before = await records.load()
    yield records, UploadFiles(str(place / "root"), records), before
    await records.close()


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file have more than one byte, as a disk that is full, or almost."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
