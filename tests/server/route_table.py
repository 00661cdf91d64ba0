"""Every route there is, enumerated, with an address of each and what a request to it carries."""

from __future__ import annotations

from tornado.web import RequestHandler

from jupyter_server_ext.handlers import routes
from jupyter_server_ext.handlers.events import EventsHandler
from progresswidget.protocol import SUBPROTOCOL

EXAMPLES = {
    r"progresswidget/api/jobs": "api/jobs",
    r"progresswidget/api/jobs/([^/]+)": "api/jobs/" + "a" * 32,
    r"progresswidget/api/jobs/([^/]+)/place": "api/jobs/" + "a" * 32 + "/place",
    r"progresswidget/api/jobs/([^/]+)/counts": "api/jobs/" + "a" * 32 + "/counts",
    r"progresswidget/api/jobs/([^/]+)/counts/([^/]+)": "api/jobs/" + "a" * 32 + "/counts/1-2",
    r"progresswidget/api/jobs/([^/]+)/links": "api/jobs/" + "a" * 32 + "/links",
    r"progresswidget/api/jobs/([^/]+)/links/([^/]+)": "api/jobs/" + "a" * 32 + "/links/" + "b" * 32,
    r"progresswidget/api/links/(.+)": "api/links/data/flights.csv",
    r"progresswidget/links/(.*)": "links/" + "A" * 64 + "/flights.csv",
    r"progresswidget/archives/(.*)": "archives/somewhere",
    r"progresswidget/api/changes": "api/changes",
    r"progresswidget/api/conversions": "api/conversions",
    r"progresswidget/api/conversions/([^/]+)": "api/conversions/" + "a" * 32,
    r"progresswidget/api/health": "api/health",
    r"progresswidget/api/limits": "api/limits",
    r"progresswidget/api/(openapi|asyncapi)\.json": "api/openapi.json",
    r"progresswidget/api/transfers": "api/transfers",
    r"progresswidget/api/transfers/(.+)": "api/transfers/" + "a" * 32 + "/1",
    r"progresswidget/files/([^/]+)/([^/]+)/([^/]+)": "files/" + "a" * 32 + "/1/flights.csv",
    r"progresswidget/uploads/": "uploads/",
    r"progresswidget/uploads/([^/]+)": "uploads/" + "a" * 32,
    r"progresswidget/contents/(.+)": "contents/data/flights.csv",
    r"progresswidget/ws": "ws",
    r"progresswidget(?:/.*)?": "something/else",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def table() -> list[tuple[str, str, type[RequestHandler]]]:
    found = []
    for pattern, handler, _ in routes(None):  # type: ignore[arg-type]
        for method in METHODS:
            own = getattr(handler, method.lower())
            if own is not getattr(RequestHandler, method.lower()):
                found.append((method, pattern, handler))
    return found


TABLE = table()
# A report is authorised by the kernels' secret alone, and so are the question for a place and what
# workers count; they have tests of their own, in test_routes, test_places and test_counts. A signed
# link is for whoever holds it: see test_links.
REPORT = ("PUT", r"progresswidget/api/jobs/([^/]+)")
KERNELS = {
    REPORT,
    ("PUT", r"progresswidget/api/jobs/([^/]+)/place"),
    ("POST", r"progresswidget/api/jobs/([^/]+)/counts"),
    ("PUT", r"progresswidget/api/jobs/([^/]+)/counts/([^/]+)"),
}


def headers_for(handler: type[RequestHandler]) -> dict[str, str]:
    if not issubclass(handler, EventsHandler):
        return {}
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
