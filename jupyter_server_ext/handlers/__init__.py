"""HTTP and WebSocket: glue between tornado and the rest. `routes` lists every address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server_ext.handlers.absolute import accept_absolute_form
from jupyter_server_ext.handlers.archives import ArchiveHandler
from jupyter_server_ext.handlers.base import NotFoundHandler
from jupyter_server_ext.handlers.changes import ChangesHandler
from jupyter_server_ext.handlers.contents import ContentsHandler
from jupyter_server_ext.handlers.conversions import ConversionHandler, ConversionsHandler
from jupyter_server_ext.handlers.counts import CountHandler, CountsHandler
from jupyter_server_ext.handlers.documents import DocumentHandler
from jupyter_server_ext.handlers.downloads import DownloadHandler
from jupyter_server_ext.handlers.events import EventsHandler
from jupyter_server_ext.handlers.health import HealthHandler
from jupyter_server_ext.handlers.jobs import JobHandler, JobsHandler
from jupyter_server_ext.handlers.limits import LimitsHandler
from jupyter_server_ext.handlers.links import (
    JobLinkHandler,
    JobLinksHandler,
    LinkHandler,
    PathLinksHandler,
)
from jupyter_server_ext.handlers.places import PlaceHandler
from jupyter_server_ext.handlers.transfers import TransferHandler, TransfersHandler
from jupyter_server_ext.handlers.uploads import UploadHandler, UploadsHandler
from jupyter_server_ext.handlers.visitors import VisitorMixin
from jupyter_server_ext.services import Services

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest
    from tornado.web import Application

__all__ = ["Route", "accept_absolute_form", "revived", "routes"]

Route = tuple[str, type[Any], dict[str, Services]]


def routes(services: Services) -> list[Route]:
    """Return every route: pattern below the base URL, handler, and its arguments."""
    table: list[tuple[str, type[Any]]] = [
        (r"progresswidget/api/jobs", JobsHandler),
        (r"progresswidget/api/jobs/([^/]+)", JobHandler),
        (r"progresswidget/api/jobs/([^/]+)/links", JobLinksHandler),
        (r"progresswidget/api/jobs/([^/]+)/links/([^/]+)", JobLinkHandler),
        (r"progresswidget/api/links/(.+)", PathLinksHandler),
        (r"progresswidget/links/(.*)", LinkHandler),
        (r"progresswidget/api/jobs/([^/]+)/place", PlaceHandler),
        (r"progresswidget/api/jobs/([^/]+)/counts", CountsHandler),
        (r"progresswidget/api/jobs/([^/]+)/counts/([^/]+)", CountHandler),
        (r"progresswidget/api/changes", ChangesHandler),
        (r"progresswidget/api/conversions", ConversionsHandler),
        (r"progresswidget/api/conversions/([^/]+)", ConversionHandler),
        (r"progresswidget/api/health", HealthHandler),
        (r"progresswidget/api/limits", LimitsHandler),
        (r"progresswidget/api/(openapi|asyncapi)\.json", DocumentHandler),
        (r"progresswidget/api/transfers", TransfersHandler),
        (r"progresswidget/api/transfers/(.+)", TransferHandler),
        (r"progresswidget/files/([^/]+)/([^/]+)/([^/]+)", DownloadHandler),
        (r"progresswidget/uploads/", UploadsHandler),
        (r"progresswidget/uploads/([^/]+)", UploadHandler),
        (r"progresswidget/contents/(.+)", ContentsHandler),
        (r"progresswidget/archives/(.*)", ArchiveHandler),
        (r"progresswidget/ws", EventsHandler),
        # The last: without it an unknown address would get jupyter_server's page in HTML.
        (r"progresswidget(?:/.*)?", NotFoundHandler),
    ]
    return [(pattern, handler, {"services": services}) for pattern, handler in table]


def revived(
    application: Application, services: Services, request: HTTPServerRequest
) -> VisitorMixin:
    """Return a handler that only says whose a request is."""
    return VisitorMixin(application, request, services=services)
