"""Requests whose target is a whole address, as clients of a proxy send it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tornado.routing import AnyMatches, Router, Rule

from jupyter_server_ext.handlers.base import hide_link

if TYPE_CHECKING:
    from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
    from tornado.web import Application

_ABSOLUTE: Final = re.compile(r"https?://([^/?#]+)(/[^?]*)", re.IGNORECASE)
"""The authority and the path of a target that has both."""


class AbsoluteForm(Router):
    """Serves a target in absolute form as the same one in origin form (RFC 9112 section 3.2.2).

    tornado looks for a handler by the raw target, and would find none. Only addresses of ours are
    rewritten, and before there is a handler: whatever is checked is checked of what is served.

    Parameters
    ----------
    application
        Whose handlers are asked for the rewritten request.
    root
        The path of the extension.
    """

    def __init__(self, application: Application, root: str) -> None:
        self._application = application
        self._root = root

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Return what serves a request in absolute form, or None for any other."""
        target = _ABSOLUTE.match(request.uri or "")
        if target is None or not f"{target[2]}/".startswith(f"{self._root}/"):
            return None
        # A client MUST send both alike. If they differ, one of them is what somebody in between was
        # to see, and the other what we were; jupyter_server checks the field only.
        if target[1].lower() != request.host.lower():
            hide_link(request)
            return None
        request.uri = (request.uri or "")[target.start(2) :]
        request.path = target[2]
        return self._application.find_handler(request)


def accept_absolute_form(application: Application, root: str) -> None:
    """Let an application serve targets in absolute form below `root`."""
    application.default_router.rules.insert(0, Rule(AnyMatches(), AbsoluteForm(application, root)))
