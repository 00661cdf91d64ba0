"""``links``: a file for whoever holds its signed link; and who may make and close such links.

No other address of ours carries a secret. So this one opens one file for reading and nothing else,
for a short time, and is kept out of logs and of the `Referer` of what is opened next.
"""

from __future__ import annotations

import json
import math
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler, hide_link
from jupyter_server_ext.handlers.contents import open_contents, represent, strong
from jupyter_server_ext.handlers.downloads import DownloadHandler
from jupyter_server_ext.handlers.owners import OwnerHandler, made, once
from jupyter_server_ext.model.transfer import TOKEN_USER

if TYPE_CHECKING:
    from jupyter_server_ext.model.link import Link
    from jupyter_server_ext.services import Services

_USUAL: Final = 3600.0
"""Seconds for which a link is open, if nobody says otherwise."""


class LinkHandler(DownloadHandler):
    """``links/<token>/<name>``: whatever is wrong with it, the answer is the same."""

    _link: Link | None = None

    def initialize(self, services: Services) -> None:
        """Forget the address before anything can be logged."""
        super().initialize(services)
        hide_link(self.request)

    def set_default_headers(self) -> None:
        """Keep the address out of caches and out of the next request's `Referer`."""
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Robots-Tag", "noindex")

    @property
    def user_id(self) -> str:
        """Who gave the link away."""
        return TOKEN_USER if self._link is None else self._link.user

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Let everybody in: the link is what is checked."""
        self._transforms = []
        await self.admit(self._prepare_anyone())

    async def _prepare_anyone(self) -> None:
        # No user, so no cookie counts, and there is no XSRF to guard against.
        self.current_user = self._jupyter_current_user = None
        if not self.check_host():
            raise ApiError("forbidden", "This host name is not served.")
        self.check_origin()
        self.check_length()
        await self.wait_until_started()

    def check_xsrf_cookie(self) -> None:
        """Nothing can be changed by a link."""

    @allow_unauthenticated
    async def get(self, address: str) -> None:
        """Send the file, or ranges of it."""
        await self._serve(address)

    @allow_unauthenticated
    async def head(self, address: str) -> None:
        """Send what GET would say of the whole file, without the file."""
        await self._serve(address)

    async def _serve(self, address: str) -> None:
        services = self.services
        token, _, name = address.partition("/")
        link = services.links.open(token)
        path = link.path
        if name != (path.rpartition("/")[2] if path else services.registry.name_of(link.task_id)):
            raise ApiError("link-not-found", "There is nothing at this address.")
        self._link = link
        if path:
            await self._answer_path(path, link.tag)
        else:
            await self._answer(link.task_id, str(link.generation), name)

    async def _answer_path(self, path: str, tag: str) -> None:
        with await open_contents(self.services, path) as file:
            about = represent(path, file)
            # One address is one byte string, for those too who go on without asking if it still is.
            if strong(about.etag) != tag:
                raise ApiError("file-changed", "The file has changed since the link was made.")
            await self.answer(file, about)


class _LinksMixin(Handler):
    """What both kinds of links have in common."""

    max_body: ClassVar[int] = 4096

    async def _told(self, identity: str, name: str) -> None:
        """Answer with a link that this request, or the same before, has made."""
        link, token = await made(partial(self.services.links.made, identity))
        address = f"{self.base_url}progresswidget/links/{token}/{quote(name, safe='')}"
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({**link.to_json(), "url": address}))

    def _seconds(self) -> float:
        try:
            value: Any = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            value = None
        seconds = value.get("expires", _USUAL) if isinstance(value, dict) else None
        longest = self.services.links.longest
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ApiError("malformed", 'The body must be {"expires": seconds}.')
        # In this order: a number of a thousand digits is no float.
        if not (0 < seconds <= longest and math.isfinite(seconds)):
            raise ApiError("malformed", f"expires must be from 0 to {longest:g} seconds.")
        return float(seconds)


class JobLinksHandler(_LinksMixin, OwnerHandler):
    """``api/jobs/<taskId>/links``: the links of one job."""

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen to it
    async def get(self, task_id: str) -> None:
        """Return the open links, the newest first; what opens them is not kept."""
        await self.visible(task_id)
        links = self.services.links.of(task_id)
        self.finish(json.dumps([link.to_json() for link in links]))

    @allow_unauthenticated
    async def post(self, task_id: str) -> None:
        """Make a link to the newest file."""
        services = self.services
        seconds = self._seconds()
        report = (await self.visible(task_id)).report
        asked = {"links of": task_id, "expires": seconds}
        async with once(self, asked) as making:
            if not making.again:
                await services.links.issue(
                    identity=making.identity,
                    task_id=task_id,
                    generation=report["generation"],
                    user=self.user_id,
                    seconds=seconds,
                )
        await self._told(making.identity, report["name"])

    @allow_unauthenticated
    async def delete(self, task_id: str) -> None:
        """Close all of them."""
        await self.visible(task_id)
        await self.services.links.revoke(task_id)
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


class JobLinkHandler(OwnerHandler):
    """``api/jobs/<taskId>/links/<id>``: one of them."""

    @allow_unauthenticated
    async def delete(self, task_id: str, identity: str) -> None:
        """Close it."""
        await self.visible(task_id)
        if not await self.services.links.revoke(task_id, identity):
            raise ApiError("link-not-found", "The job has no such link.")
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


class PathLinksHandler(_LinksMixin, Handler):
    """``api/links/<path>``: the links of a file below the server's root.

    Giving a file away takes the right to read it, and to write here.
    """

    @web.authenticated
    @authorized
    @authorized(action="read", resource="contents")  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """Return the open links, the newest first, and for how many seconds one may be open."""
        links = self.services.links
        found = [link.to_json() for link in links.of("", path)]
        self.finish(json.dumps({"longest": links.longest, "links": found}))

    @web.authenticated
    @authorized
    @authorized(action="read", resource="contents")  # type: ignore[untyped-decorator]
    async def post(self, path: str) -> None:
        """Make a link to the file as it is now."""
        seconds = self._seconds()
        links, asked = self.services.links, {"links of path": path, "expires": seconds}
        async with once(self, asked) as making:
            if not making.again:
                with await open_contents(self.services, path) as file:
                    tag = strong(represent(path, file).etag)
                await links.issue(
                    identity=making.identity,
                    path=path,
                    tag=tag,
                    user=self.user_id,
                    seconds=seconds,
                )
        await self._told(making.identity, path.rpartition("/")[2])

    @web.authenticated
    @authorized
    @authorized(action="read", resource="contents")  # type: ignore[untyped-decorator]
    async def delete(self, path: str) -> None:
        """Close all of them, or the one that ``?id=`` names."""
        identity = self.get_query_argument("id", None)
        closed = await self.services.links.revoke("", identity, path)
        if identity is not None and not closed:
            raise ApiError("link-not-found", "The file has no such link.")
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()
