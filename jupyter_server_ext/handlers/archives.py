"""``archives``: a folder, or some of what is in it, as one file that is packed while it leaves."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from jupyter_server_ext.downloads.archives import Entry, Packing, length
from jupyter_server_ext.downloads.archives.names import Names, safe
from jupyter_server_ext.downloads.archives.tar import TarPacking
from jupyter_server_ext.downloads.archives.zip import ZipPacking
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.folders import Found, look_through
from jupyter_server_ext.files.opening import open_below
from jupyter_server_ext.files.published import BLOCK, FileChangedError, PublishedFile
from jupyter_server_ext.handlers.files import FileHandler
from jupyter_server_ext.http.ranges import content_disposition

if TYPE_CHECKING:
    from jupyter_server_ext.streaming.sending import Body
    from progresswidget.protocol import Fingerprint

MAX_NAMES: Final = 500
"""Files of one folder that can be picked: tornado takes twice as many fields in an address."""
MAX_AT_ONCE: Final = 8
"""Archives that one user may have packed at the same time: each holds a list of its files."""
_FULL: Final = 64 * 1024
"""Bytes that are sent together: a folder of small files must not be a packet for each."""

_FORMATS: Final[dict[str, tuple[str, type[Any]]]] = {
    "zip": ("application/zip", ZipPacking),
    "tar": ("application/x-tar", TarPacking),
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into the archive, and where it lies."""

    entries: list[tuple[Entry, str, Fingerprint]]
    length: int


class ArchiveHandler(FileHandler):
    """``archives/<folder>?format=zip|tar&name=…&name=…``, with any number of names, or none.

    Symlinks are left out: they are not followed here, and must not lead anywhere there. A range of
    an archive cannot be asked for, since the next one may be packed differently: RFC 9110 section
    14.2 lets a server ignore the field, and `Accept-Ranges: none` (section 14.3) says so.
    """

    @allow_unauthenticated
    def options(self, *arguments: str, **more: str) -> None:
        """Say what can be done here."""
        super().options(*arguments, **more)
        self.set_header("Accept-Ranges", "none")

    @web.authenticated
    @authorized
    @authorized(resource="contents")  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """Send the archive."""
        await self._answer(path.removesuffix("/"))

    @web.authenticated
    @authorized
    @authorized(resource="contents")  # type: ignore[untyped-decorator]
    async def head(self, path: str) -> None:
        """Send what GET would say of it."""
        await self._answer(path.removesuffix("/"))

    async def _answer(self, path: str) -> None:
        ending = self.get_query_argument("format", "zip")
        if ending not in _FORMATS:
            raise ApiError("malformed", f"format must be one of {', '.join(_FORMATS)}.")
        media_type, packing = _FORMATS[ending]
        names = self.get_query_arguments("name", strip=False)
        if len(names) > MAX_NAMES:
            raise ApiError("too-many", f"At most {MAX_NAMES} names can be given.")
        running, user = self.services.packing, self.user_id
        if running[user] >= MAX_AT_ONCE:
            message = f"{MAX_AT_ONCE} archives are being packed."
            raise ApiError("too-many-archives", message, retry_after=10)
        running[user] += 1
        try:
            plan = await self.in_thread(partial(self._plan, path, names, packing))
            if self.answered_unnamed():
                return
            stem = names[0] if len(names) == 1 else path.rpartition("/")[2] or "files"
            name = f"{safe([stem])}.{ending}"
            self._announce(name, media_type, plan)
            if self.request.method == "HEAD":
                self.finish(set_content_type=media_type)
            else:
                await self._send(path, name, plan, packing())
        finally:
            running[user] -= 1
            if not running[user]:
                del running[user]

    def _announce(self, name: str, media_type: str, plan: _Plan) -> None:
        self.set_status(HTTPStatus.OK)
        self.set_header("Content-Type", media_type)
        self.set_header("Content-Length", str(plan.length))
        self.set_header("Content-Disposition", content_disposition(name))
        self.set_header("Accept-Ranges", "none")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def _send(self, path: str, name: str, plan: _Plan, packing: Packing) -> None:
        transfer = self.services.transfers.begin(
            user=self.user_id,
            file_id=f"archives/{path}",
            name=name,
            size=plan.length,
            offset=0,
            direction="download",
            task_id=None,
            version=secrets.token_hex(16),  # none goes on where another one stopped
        )
        await self.sent(_Sender(self, plan, packing).send, transfer)

    def _plan(self, path: str, names: list[str], packing: type[Packing]) -> _Plan:
        services = self.services
        found = look_through(
            services.root,
            path,
            names,
            most=services.max_archive_entries,
            allow_hidden=services.allow_hidden,
        )
        taken, entries = Names(), []
        # A folder that got another name keeps what is in it together.
        homes: dict[tuple[str, ...], str] = {(): ""}
        for one in found:
            name = taken.take(homes[one.parts[:-1]] + safe(one.parts[-1:]))
            if one.is_folder:
                name = homes[one.parts] = f"{name}/"
            place = "/".join((path, *one.parts) if path else one.parts)
            entries.append((_entry(one, name), place, one.fingerprint))
        return _Plan(entries, length(packing(), (entry for entry, _, _ in entries)))


def _entry(found: Found, name: str) -> Entry:
    size = 0 if found.is_folder else found.fingerprint.size
    modified = found.fingerprint.mtime_ns // 1_000_000_000
    return Entry(name, size, modified, executable=bool(found.mode & 0o100))


class _Sender:
    """Packs a plan into a body."""

    def __init__(self, handler: ArchiveHandler, plan: _Plan, packing: Packing) -> None:
        self._handler = handler
        self._plan = plan
        self._packing = packing
        self._waiting = bytearray()
        self._offset = 0

    async def send(self, body: Body) -> None:
        """Send everything.

        Raises
        ------
        FileChangedError
            If a file is no longer what it was when the length was told.
        """
        await body.start()
        for entry, place, fingerprint in self._plan.entries:
            self._waiting += self._packing.head(entry)
            crc = 0
            if entry.size:
                crc = await self._send_file(body, place, fingerprint)
            self._waiting += self._packing.tail(entry, crc)
        self._waiting += self._packing.end()
        await self._flush(body, least=1)

    async def _send_file(self, body: Body, place: str, fingerprint: Fingerprint) -> int:
        file, block, crc = await self._handler.in_thread(partial(self._open, place, fingerprint))
        offset = 0
        with file:
            while True:
                self._waiting += block
                offset += len(block)
                await self._flush(body, least=_FULL)
                if offset == fingerprint.size:
                    return crc
                block, crc = await self._handler.in_thread(partial(_read, file, offset, crc))

    def _open(self, place: str, fingerprint: Fingerprint) -> tuple[PublishedFile, bytes, int]:
        services = self._handler.services
        try:
            file = open_below(services.root, place, allow_hidden=services.allow_hidden)
        except ApiError as error:
            raise FileChangedError from error
        try:
            _require(file, fingerprint)
            return file, *_read(file, 0, 0)
        except BaseException:
            file.close()
            raise

    async def _flush(self, body: Body, *, least: int) -> None:
        if len(self._waiting) >= least:
            data, self._waiting = bytes(self._waiting), bytearray()
            await body.write(data, self._offset)
            self._offset += len(data)


def _read(file: PublishedFile, offset: int, crc: int) -> tuple[bytes, int]:
    block = file.read(offset, min(BLOCK, file.fingerprint.size - offset))
    return block, zlib.crc32(block, crc)


def _require(file: PublishedFile, planned: Fingerprint) -> None:
    found = file.fingerprint
    if (found.device, found.inode, found.size, found.mtime_ns) != (
        planned.device,
        planned.inode,
        planned.size,
        planned.mtime_ns,
    ):
        raise FileChangedError
