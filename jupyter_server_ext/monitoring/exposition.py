"""Metrics as Prometheus takes them: read when somebody asks, and added up over all servers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from jupyter_server_ext.logs import about
from jupyter_server_ext.tally import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jupyter_server_ext.services import Services

_log: Final = logging.getLogger(__name__)

Labels: TypeAlias = tuple[str, ...]
Samples: TypeAlias = "Iterable[tuple[Labels, float | Histogram]]"


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


class Servers:
    """The servers of this process, as a collector of Prometheus' registry.

    A process may run several servers, and has one registry: they are added up.
    """

    def __init__(self, families: tuple[Family, ...]) -> None:
        self._families = families
        self._servers: list[Services] = []

    def add(self, services: Services) -> None:
        """Show the parts of a server."""
        self._servers.append(services)
        if len(self._servers) == 1:
            REGISTRY.register(self)

    def remove(self, services: Services) -> None:
        """Show them no longer; what was never shown is no error."""
        # By identity: comparing would compare all that they have.
        left = [one for one in self._servers if one is not services]
        if self._servers and not left:
            REGISTRY.unregister(self)
        self._servers = left

    def collect(self) -> Iterator[Metric]:
        """Return every metric; called by the registry, which other people's metrics share."""
        for family in self._families:
            try:
                metric = family.collect(tuple(self._servers))
            except Exception:  # noqa: BLE001 - it is logged whole, and the others are shown
                extra = about("metric-failed", metric=family.name)
                _log.exception("A metric cannot be read", extra=extra)
            else:
                yield metric


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
