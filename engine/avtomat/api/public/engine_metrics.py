"""Write the engine's numbers as metrics for Prometheus: a collector that reads them when it is asked.

No label is a job, a worker or a client; queued tasks have their kind, the KINDS_SHOWN_MAX that have most of them, and
one line for all others. Gauges of the store are those of the newest sample, the same at every replica; counters are
this process's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from avtomat.errors import StoreError
from avtomat.runtime.measures import OPEN_STATUSES, Measures, Sample, Tally
from avtomat.runtime.trust.trust import Trust

if TYPE_CHECKING:
    from prometheus_client import Metric

KINDS_SHOWN_MAX: Final = 50
OTHER_KINDS: Final = "(others)"
STORE_GAUGES: Final = {
    "log_bytes": "Size of the log beside an SQLite file.",
    "clock_ahead_seconds": "How far the store's clock is before the system's, which was turned back.",
    "clock_jumps": "How often the system's clock jumped by more than 5 minutes since the start.",
}
Trouble = Callable[[], StoreError | None]
"""Why the store is not to be used, as far as it is known."""
Blueprints = Callable[[], tuple[Mapping[str, int], bool]]
"""The number of blueprints by how they stand, and whether their reloader is dead."""

_QUEUE: Final = "queue:"


class EngineMetrics:
    """A collector of Prometheus'."""

    def __init__(self, measures: Measures, blueprints: Blueprints, trouble: Trouble, trust: Trust) -> None:
        self._measures = measures
        self._trouble = trouble
        self._blueprints = blueprints
        self._trust = trust

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        yield _gauge("polls_waiting", "Polls that wait here for a task.", self._measures.polls_waiting())
        yield _gauge("store_available", "1 while the store can be used, 0 when not.", self._trouble() is None)
        counts, is_dead = self._blueprints()
        yield _gauges_by("blueprints", "Blueprints by their state in this process.", "standing", counts)
        yield _gauge("reloader_dead", "1 when the folder of blueprints is no longer watched.", is_dead)
        states, doubtful = self._trust.breakers.states(), self._trust.reputations.on_probation()
        yield _gauges_by("breakers", "Breakers of kinds of task that are not closed.", "state", states)
        yield _gauge("workers_on_probation", "Workers whose reputation is low.", doubtful)
        yield from _counters(self._measures.tally)
        if self._measures.latest is not None:
            yield from _gauges(self._measures.latest)


def _counters(tally: Tally) -> Iterator[Metric]:
    yield _counter("jobs_created", "Jobs created by this process.", tally.created)
    yield _counter("decisions", "Decisions made by this process that were to be written.", tally.decisions)
    yield _counter("conflicts", "Decisions made again, because their scope had moved.", tally.conflicts)
    yield _counter("tasks_handed_out", "Attempts handed out to workers by this process.", tally.handed_out)
    yield _counters_by("breaker_changes", "Changes of breakers that this process made, by outcome.", tally.breakers)
    yield _counters_by("calls", "Calls that this process made, by outcome.", tally.calls)
    yield _counters_by("schedule_runs", "Runs of schedules that this process decided, by outcome.", tally.schedule_runs)
    yield _counters_by("hooks", "Requests of hooks to this process, by outcome.", tally.hooks)
    yield _counters_by("commits", "Commits by the store's answer.", tally.commits)
    yield _counters_by("results", "Workers' results by outcome.", tally.results)


def _gauges(sample: Sample) -> Iterator[Metric]:
    counts = sample.counts
    by_status = {status: counts[status] for status in OPEN_STATUSES}
    yield _gauges_by("jobs_open", "Jobs that have not ended, by stored status.", "status", by_status)
    yield _gauges_by("tasks_queued", "Tasks that wait for a worker, by kind.", "kind", queued_by_kind(counts))
    yield _gauge("leases", "Attempts that workers hold.", counts["leases"])
    yield _gauge("due_members", "Times that the store watches.", counts["due"])
    yield _gauge("due_lag_seconds", "How late the oldest due time is.", sample.due_lag_ms / 1000)
    for name, number in sample.gauges.items():
        yield _gauge(f"store_{name}", STORE_GAUGES[name], number)
    yield _gauge("history_pending", "Entries that wait for the history database.", sample.history_pending)


def queued_by_kind(counts: Mapping[str, int]) -> dict[str, int]:
    """Queued tasks by kind, the most first; kinds past KINDS_SHOWN_MAX together."""
    kinds: Counter[str] = Counter()
    for name, number in counts.items():
        if name.startswith(_QUEUE):
            kinds[name.removeprefix(_QUEUE).partition("#")[0]] += number
    shown = dict(kinds.most_common(KINDS_SHOWN_MAX))
    others = kinds.total() - sum(shown.values())
    return {**shown, OTHER_KINDS: others} if others else shown


def _gauge(name: str, text: str, number: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"avtomat_{name}", text, value=number)


def _gauges_by(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"avtomat_{name}", text, labels=[label])
    for word, number in numbers.items():
        family.add_metric([word], number)
    return family


def _counter(name: str, text: str, number: int) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"avtomat_{name}", text, value=number)


def _counters_by(name: str, text: str, numbers: Mapping[str, int]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"avtomat_{name}", text, labels=["outcome"])
    for outcome, number in sorted(numbers.items()):
        family.add_metric([outcome], number)
    return family
