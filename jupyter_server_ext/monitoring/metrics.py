"""What Prometheus is told, below ``/metrics`` of the server itself.

All is read when somebody asks, from the parts that have it: nothing here is called while the
server works. Each metric is one row of `FAMILIES`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from jupyter_server_ext import __version__
from jupyter_server_ext.events.life import JOB_EVENTS, KINDS, TRANSFER_EVENTS, kind_of
from jupyter_server_ext.monitoring.exposition import Family, Labels, Samples, Servers
from progresswidget.protocol import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.model.transfer import Direction
    from jupyter_server_ext.services import Services
    from jupyter_server_ext.stores.redis_session import RedisSession
    from jupyter_server_ext.tally import Histogram

_DIRECTIONS: Final[tuple[Direction, ...]] = ("download", "upload")


# --- What each server has --------------------------------------------------------------------


def _info(_: Services) -> Samples:
    yield (__version__,), 1


def _jobs(services: Services) -> Samples:
    counts: Counter[Labels] = Counter()
    # Zero is a number too: a graph of nothing has a line at the bottom.
    counts.update(dict.fromkeys(((status, "export") for status in STATUSES), 0))
    counts.update((job.status, kind_of(job)) for job in services.registry.jobs.values())
    return counts.items()


def _job_events(services: Services) -> Samples:
    zero = {(event, kind): 0 for event in JOB_EVENTS for kind in (*KINDS, "other")}
    return (zero | services.life.jobs).items()


def _transfer_events(services: Services) -> Samples:
    zero = {(event, way): 0 for event in TRANSFER_EVENTS for way in _DIRECTIONS}
    return (zero | services.life.transfers).items()


def _reports(services: Services) -> Samples:
    return (((result,), count) for result, count in ({"taken": 0} | services.tally.reports).items())


def _errors(services: Services) -> Samples:
    zero = dict.fromkeys(("disk-failed", "disk-full", "internal"), 0)
    return (((code,), count) for code, count in (zero | services.tally.errors).items())


def _compensations(services: Services) -> Samples:
    zero = dict.fromkeys(("expired", "published", "withdrawn"), 0)
    counts = zero | services.tally.compensations | {"undone": services.life.undone}
    return (((what,), count) for what, count in counts.items())


def _removed(services: Services) -> Samples:
    zero = dict.fromkeys(("file", "job", "leftover", "upload"), 0)
    return (((what,), count) for what, count in (zero | services.tally.removed).items())


def _transferred(services: Services) -> Samples:
    return (((way,), services.transfers.moved[way]) for way in _DIRECTIONS)


def _transfers(services: Services) -> Samples:
    moving = services.transfers.moving()
    return (((way,), moving[way]) for way in _DIRECTIONS)


def _conversions(services: Services) -> Samples:
    return (((state,), count) for state, count in services.conversions.counts.items())


def _subscribes(services: Services) -> Samples:
    yield ("replay",), services.hub.replayed
    yield ("snapshot",), services.hub.snapshots


_CLOSES: Final = ("forbidden", "login", "malformed", "restart", "silent", "slow", "version")


def _closes(services: Services) -> Samples:
    zero = dict.fromkeys(_CLOSES, 0)
    return (((reason,), count) for reason, count in (zero | services.tally.closes).items())


def _store_info(services: Services) -> Samples:
    for store, health in services.stores.items():
        yield (store, health.backend, health.journal_mode or ""), 1


def _store(name: str) -> Callable[[Services], Samples]:
    def read(services: Services) -> Samples:
        return (((store,), getattr(health, name)) for store, health in services.stores.items())

    return read


def _redis(read: Callable[[RedisSession], float]) -> Callable[[Services], Samples]:
    def read_if_any(services: Services) -> Samples:
        session = services.state.session
        return [] if session is None else [((), read(session))]

    return read_if_any


def _conflicts(services: Services) -> Samples:
    broker = services.state.broker
    yield ("order",), broker.conflicts - broker.fenced
    yield ("owner",), broker.fenced


def _one(read: Callable[[Services], float | Histogram]) -> Callable[[Services], Samples]:
    return lambda services: [((), read(services))]


FAMILIES: Final = (
    Family("progresswidget_build_info", "gauge", "The version that runs.", ("version",), _info),
    Family(
        "progresswidget_jobs",
        "gauge",
        "Jobs that are remembered, by state and kind.",
        ("status", "kind"),
        _jobs,
    ),
    Family(
        "progresswidget_job_events_total",
        "counter",
        "Changes of the states of jobs.",
        ("event", "kind"),
        _job_events,
    ),
    Family(
        "progresswidget_conversions",
        "gauge",
        "Files that are converted now (running), or that wait for a worker (waiting).",
        ("state",),
        _conversions,
    ),
    Family(
        "progresswidget_reports_total",
        "counter",
        "Reports of kernels, by what became of them: taken, or the code of the error.",
        ("result",),
        _reports,
    ),
    Family(
        "progresswidget_errors_total",
        "counter",
        "Requests that were answered with an error, by its code.",
        ("code",),
        _errors,
    ),
    Family(
        "progresswidget_removed_total",
        "counter",
        "What was cleared away because it was old or of no use.",
        ("what",),
        _removed,
    ),
    Family(
        "progresswidget_compensations_total",
        "counter",
        "Uploads taken back, files that got their name after a crash, steps undone by kernels.",
        ("what",),
        _compensations,
    ),
    Family(
        "progresswidget_transferred_bytes_total",
        "counter",
        "Bytes of files that left (download) or came (upload).",
        ("direction",),
        _transferred,
    ),
    Family(
        "progresswidget_transfers_active",
        "gauge",
        "Files that are on their way now.",
        ("direction",),
        _transfers,
    ),
    Family(
        "progresswidget_transfer_events_total",
        "counter",
        "Files that began to move, moved whole, or were cut.",
        ("event", "direction"),
        _transfer_events,
    ),
    Family(
        "progresswidget_uploads_unfinished",
        "gauge",
        "Uploads that wait for more bytes.",
        (),
        _one(lambda services: services.uploads.unfinished().uploads),
    ),
    Family(
        "progresswidget_uploads_staged_bytes",
        "gauge",
        "Bytes on the disk of uploads that wait for more.",
        (),
        _one(lambda services: services.uploads.unfinished().bytes),
    ),
    Family(
        "progresswidget_links_open",
        "gauge",
        "Signed links that open a file now.",
        (),
        _one(lambda services: services.links.count()),
    ),
    Family(
        "progresswidget_websocket_connections",
        "gauge",
        "Pages that are connected.",
        (),
        _one(lambda services: len(services.connections)),
    ),
    Family(
        "progresswidget_subscriptions",
        "gauge",
        "Jobs that pages are told of, each page and job.",
        (),
        _one(lambda services: services.hub.subscriptions()),
    ),
    Family(
        "progresswidget_delivery_latency_seconds",
        "histogram",
        "From the moment a change was known to the one when the socket of a page had it.",
        (),
        _one(lambda services: services.hub.delivery),
    ),
    Family(
        "progresswidget_subscribes_total",
        "counter",
        "Answers to pages that ask for a job: with all that they have missed, or its whole state.",
        ("answer",),
        _subscribes,
    ),
    Family(
        "progresswidget_queue_overflows_total",
        "counter",
        "Pages that took their messages too slowly.",
        (),
        _one(lambda services: services.hub.overflows),
    ),
    Family(
        "progresswidget_websocket_closes_total",
        "counter",
        "Connections of pages that this server closed, by the reason that it gave.",
        ("reason",),
        _closes,
    ),
    Family(
        "progresswidget_store_info",
        "gauge",
        "What each store is kept in.",
        ("store", "backend", "journal_mode"),
        _store_info,
    ),
    Family(
        "progresswidget_store_degraded",
        "gauge",
        "1 while what is to be kept lies in memory only.",
        ("store",),
        _store("degraded"),
    ),
    Family(
        "progresswidget_store_errors_total",
        "counter",
        "Failures; what could not be written is tried again.",
        ("store",),
        _store("errors"),
    ),
    Family(
        "progresswidget_store_write_seconds",
        "histogram",
        "How long writes took, the wait for their turn included.",
        ("store",),
        _store("writes"),
    ),
    Family(
        "progresswidget_redis_up",
        "gauge",
        "1 while Redis answers.",
        (),
        _redis(lambda session: session.attached),
    ),
    Family(
        "progresswidget_redis_losses_total",
        "counter",
        "How often Redis was lost.",
        (),
        _redis(lambda session: session.losses),
    ),
    Family(
        "progresswidget_broker_conflicts_total",
        "counter",
        "Changes of jobs that were decided anew: another server was first, or is the owner now.",
        ("reason",),
        _conflicts,
    ),
)


_SERVERS: Final = Servers(FAMILIES)


def show(services: Services) -> None:
    """Add the parts of a server to what ``/metrics`` shows."""
    _SERVERS.add(services)


def hide(services: Services) -> None:
    """Take them out again; what was never shown is no error."""
    _SERVERS.remove(services)
