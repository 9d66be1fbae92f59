"""Count what the doors answer, and write all metrics in the form that Prometheus reads.

The counts are plain numbers while requests are served; Prometheus' client is loaded when somebody asks for them. There
is no label for a job, a worker or a client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.registry import Collector

_LABELS = ("method", "route", "status")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RequestCounts:
    """Answers by route, method and status: a collector of Prometheus'."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Counter[int]] = {}

    def of(self, method: str, route: str) -> Counter[int]:
        """The answers of one route by status, for its door to count."""
        return self._routes.setdefault((method, route), Counter())

    def collect(self) -> Iterator[Metric]:
        """The counts of this moment."""
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily("avtomat_http_requests", "Requests answered.", labels=_LABELS)
        for (method, route), statuses in self._routes.items():
            for status, number in sorted(statuses.items()):
                family.add_metric((method, route, str(status)), number)
        yield family


class Metrics:
    """All metrics of this process."""

    def __init__(self, collectors: Iterable[Collector]) -> None:
        self._collectors = tuple(collectors)
        self._registry: CollectorRegistry | None = None

    def text(self) -> bytes:
        """The metrics of this moment."""
        from prometheus_client import generate_latest

        if self._registry is None:
            self._registry = _registry_of(self._collectors)
        return generate_latest(self._registry)


def _registry_of(collectors: Iterable[Collector]) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    registry = CollectorRegistry()
    for kind in (ProcessCollector, PlatformCollector, GCCollector):
        kind(registry=registry)
    for collector in collectors:
        registry.register(collector)
    return registry
