"""What a benchmark found: rows of figures, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.load import Sample

Pair = tuple[Sample, Sample]
"""The same stretch of time on the thing to compare with, and then on what is measured."""

NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one case; what does not apply is None. `more` holds figures with their units in their names."""

    case: str
    title: str
    ratio: float | None = None
    cpu_us: float | None = None
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)
    target: str = ""

    def as_json(self) -> dict[str, object]:
        """All figures by name."""
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}


def of_pairs(case: str, title: str, pairs: Sequence[Pair], target: str, more: Mapping[str, float] = NOTHING) -> Row:
    """The medians over pairs: of the ratios pair by pair, and of the absolute figures of what was measured."""
    measured = [second for _, second in pairs]
    p50_ms = median(sample.percentile_ms(50) for sample in measured)
    p99_ms = median(sample.percentile_ms(99) for sample in measured)
    of_load = {
        "p99 / p50": p99_ms / p50_ms,
        "engine busy %": median(sample.cpu_s / sample.seconds for sample in measured) * 100,
    }
    redis_us = median(sample.redis_cpu_s / sample.count for sample in measured) * 1e6
    if redis_us:
        of_load["Redis, CPU µs"] = redis_us
    return Row(
        case=case,
        title=title,
        ratio=median(second.cpu_us / first.cpu_us for first, second in pairs),
        cpu_us=median(sample.cpu_us for sample in measured),
        rate=median(sample.rate for sample in measured),
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        more={**of_load, **more},
        target=target,
    )


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines to read: ratios first."""
    width = max((len(row.title) for row in rows), default=0)
    yield f"{'':4} {'':{width}} {'× (a)':>7} {'CPU µs':>8} {'per s':>7} {'p50 ms':>8} {'p99 ms':>8}  wanted"
    for row in rows:
        yield (
            f"{row.case:4} {row.title:{width}} {_cell(row.ratio, 7, 2)} {_cell(row.cpu_us, 8, 0)} "
            f"{_cell(row.rate, 7, 0)} {_cell(row.p50_ms, 8, 2)} {_cell(row.p99_ms, 8, 2)}  {row.target}"
        ).rstrip()
        if row.more:
            yield f"{'':4}   " + "; ".join(f"{name} {_number(value)}" for name, value in row.more.items())


def _cell(value: float | None, width: int, digits: int) -> str:
    return " " * width if value is None else f"{value:{width},.{digits}f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
