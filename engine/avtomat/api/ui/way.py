"""Lay the way that a job took over the graph of its blueprint, and tell its attempts as bars in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from avtomat.api.ui.markup import Markup, element
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time
from avtomat.core.value import value

BARS_MAX: Final = 60
_WIDTH, _ROW, _NAMES = 640.0, 22.0, 220.0
_ENDS: Final = {"TaskSucceeded": "good", "TaskFailed": "bad", "LeaseLost": "bad", "TaskTimedOut": "bad"}


@value
class Bar:
    """One attempt: from when it was offered until it ended, `end_s` None while it is open."""

    name: str
    start_s: float
    end_s: float | None = None
    tone: str = "open"


class Course:
    """What a job's history says of its way: a word for each state by its address, and the attempts."""

    def __init__(self, entries: Iterable[Mapping[str, Json]]) -> None:
        self.marks: dict[str, str] = {}
        self.bars: list[Bar] = []
        self._open: dict[str, int] = {}
        self._machines: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._began_s: float | None = None
        self.last_s = 0.0
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Mapping[str, Json]) -> None:
        path, at_s = entry.get("scope") or "/", self._second(entry)
        changed = entry.get("set") or {}
        self._machines[path] = changed.get("machine", self._machines.get(path, ""))
        self._end_bar(path, entry, at_s)
        before = self._address(path)
        for state in entry.get("trail") or ():
            if before:
                self.marks[before] = "taken"
            self._states[path] = state
            before = self._address(path)
            self.marks[before] = "current"
        if (error := changed.get("error")) and before and error:
            self.marks[before] = "failed"
        if "ended" in entry and before:
            self.marks[before] = "taken" if entry["ended"] == "finished" else "failed"
        if "dispatch" in entry and len(self.bars) < BARS_MAX:
            self._open[path] = len(self.bars)
            attempt = entry["dispatch"]["attempt"]
            self.bars.append(Bar(name=f"{before} · {attempt}", start_s=at_s))

    def _end_bar(self, path: str, entry: Mapping[str, Json], at_s: float) -> None:
        tone = _ENDS.get(entry["type"])
        if path in self._open and (tone is not None or "ended" in entry):
            at = self._open.pop(path)
            bar = self.bars[at]
            self.bars[at] = Bar(name=bar.name, start_s=bar.start_s, end_s=at_s, tone=tone or "bad")

    def _second(self, entry: Mapping[str, Json]) -> float:
        moment = parse_time(entry["at"])
        stamp = 0.0 if moment is None else moment.timestamp()
        self._began_s = stamp if self._began_s is None else self._began_s
        self.last_s = stamp - self._began_s
        return self.last_s

    def _address(self, path: str) -> str:
        machine, state = self._machines.get(path, ""), self._states.get(path, "")
        return f"{machine}.{state}" if machine and state else state


def bars_view(bars: Sequence[Bar], until_s: float) -> Markup | None:
    """The attempts as bars, one below the other; nothing where there were none."""
    if not bars:
        return None
    span = max([until_s, *(bar.end_s or 0.0 for bar in bars)]) or 1.0
    scale = (_WIDTH - _NAMES - 10) / span
    rows = [_bar(bar, number, scale, span) for number, bar in enumerate(bars)]
    height = f"{len(bars) * _ROW + 4:g}"
    return element(
        "svg", *rows, class_="bars", role="img", aria_label="attempts in time", width="100%",
        viewBox=f"0 0 {_WIDTH:g} {height}",
    )  # fmt: skip


def _bar(bar: Bar, number: int, scale: float, span: float) -> Markup:
    y, end_s = number * _ROW, span if bar.end_s is None else bar.end_s
    x, width = _NAMES + bar.start_s * scale, max(3.0, (end_s - bar.start_s) * scale)
    name = bar.name if len(bar.name) <= 32 else f"…{bar.name[-31:]}"
    took = "open" if bar.end_s is None else f"{bar.end_s - bar.start_s:.1f} s"
    drawn = element("rect", x=f"{x:g}", y=f"{y + 4:g}", width=f"{width:g}", height="14", rx="3", class_=bar.tone)
    text = element("text", name, x="0", y=f"{y + 15:g}")
    return element("g", element("title", f"{bar.name}: {took}"), text, drawn)
