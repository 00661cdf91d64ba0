"""What Prometheus is told, below ``/metrics`` of the server itself.

All is read when somebody asks, from the parts that have it: nothing here is called while the
server works. A process may run several servers, and has one registry: they are added up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from jupyter_server_ext import __version__
from jupyter_server_ext.life import JOB_EVENTS, KINDS, TRANSFER_EVENTS, kind_of
from jupyter_server_ext.tally import Histogram
from progresswidget.protocol import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jupyter_server_ext.services import Services
    from jupyter_server_ext.transferrecords import Direction

Labels: TypeAlias = tuple[str, ...]
Samples: TypeAlias = "Iterable[tuple[Labels, float | Histogram]]"

_DIRECTIONS: Final[tuple[Direction, ...]] = ("download", "upload")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Parameters
    ----------
    name
        With its unit, and ``_total`` where it counts
        (https://prometheus.io/docs/practices/naming/).
    labels
        Their names. No value of a label is chosen by a user: there are few, whatever happens.
    read
        Returns what one server has of it: values of the labels, and the number.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels
    read: Callable[[Services], Samples]

    def collect(self, servers: Iterable[Services]) -> Metric:
        """Return the metric of all servers together."""
        found: dict[Labels, float | Histogram] = {}
        for services in servers:
            for labels, value in self.read(services):
                found[labels] = _added(found.get(labels), value)
        if self.type == "histogram":
            histogram = HistogramMetricFamily(self.name, self.help, labels=self.labels)
            for labels, value in found.items():
                if isinstance(value, Histogram):
                    histogram.add_metric(labels, _buckets(value), value.total)
            return histogram
        make: Any = CounterMetricFamily if self.type == "counter" else GaugeMetricFamily
        family: Metric = make(self.name, self.help, labels=self.labels)
        for labels, value in found.items():
            family.add_metric(labels, value)  # type: ignore[attr-defined]
        return family


def _added(one: float | Histogram | None, other: float | Histogram) -> float | Histogram:
    if one is None:
        return other
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return one + other
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        raise TypeError("a histogram and a number are not added up")
    return one + other


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    buckets, below = [], 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        below += count
        buckets.append((str(bound), float(below)))
    return buckets


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


def _removed(services: Services) -> Samples:
    zero = dict.fromkeys(("file", "job", "leftover", "upload"), 0)
    return (((what,), count) for what, count in (zero | services.tally.removed).items())


def _transferred(services: Services) -> Samples:
    return (((way,), services.transfers.moved[way]) for way in _DIRECTIONS)


def _transfers(services: Services) -> Samples:
    moving = services.transfers.moving()
    return (((way,), moving[way]) for way in _DIRECTIONS)


def _subscribes(services: Services) -> Samples:
    yield ("replay",), services.hub.replayed
    yield ("snapshot",), services.hub.snapshots


def _closes(services: Services) -> Samples:
    zero = dict.fromkeys(("malformed", "restart", "silent", "slow", "version"), 0)
    return (((reason,), count) for reason, count in (zero | services.tally.closes).items())


def _store_info(services: Services) -> Samples:
    for store, health in services.stores.items():
        yield (store, health.backend, health.journal_mode or ""), 1


def _store(name: str) -> Callable[[Services], Samples]:
    def read(services: Services) -> Samples:
        return (((store,), getattr(health, name)) for store, health in services.stores.items())

    return read


def _redis(services: Services) -> Samples:
    backends = [health for health in services.stores.values() if health.backend == "redis"]
    return [((), float(not any(health.degraded for health in backends)))] if backends else []


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
        "Writes that failed; they are tried again.",
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
    Family("progresswidget_redis_up", "gauge", "1 while Redis answers.", (), _redis),
)


class _Servers:
    """The servers of this process, as a collector of Prometheus' registry."""

    def __init__(self) -> None:
        self._servers: list[Services] = []

    def add(self, services: Services) -> None:
        self._servers.append(services)
        if len(self._servers) == 1:
            REGISTRY.register(self)

    def remove(self, services: Services) -> None:
        # By identity: comparing would compare all that they have.
        left = [one for one in self._servers if one is not services]
        if self._servers and not left:
            REGISTRY.unregister(self)
        self._servers = left

    def collect(self) -> Iterator[Metric]:
        """Return every metric; called by the registry."""
        for family in FAMILIES:
            yield family.collect(tuple(self._servers))


_SERVERS: Final = _Servers()


def show(services: Services) -> None:
    """Add the parts of a server to what ``/metrics`` shows."""
    _SERVERS.add(services)


def hide(services: Services) -> None:
    """Take them out again; what was never shown is no error."""
    _SERVERS.remove(services)
