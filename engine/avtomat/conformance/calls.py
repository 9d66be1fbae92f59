"""What the scripted engine has been asked: each request with its time, read as the engine reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Json = Any
Name = Literal["register", "heartbeat", "poll", "result", "event", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `at_s` is of the monotonic clock; `body` is None where there was none or it is not JSON."""

    name: Name
    at_s: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json = None

    @property
    def line(self) -> str:
        """The request in short, for people."""
        return f"{self.method} {self.path}"

    @property
    def results(self) -> list[dict[str, Json]]:
        """The results that it brings, of a list or a single one."""
        given = self.body if isinstance(self.body, list) else [self.body]
        return [each for each in given if isinstance(each, dict)]

    @property
    def tasks_max(self) -> int:
        """How many tasks a poll asks for."""
        return int(self.query.get("max", "1"))

    @property
    def holding(self) -> frozenset[str] | None:
        """The attempts that a poll says it holds; None when it does not say."""
        text = self.query.get("holding")
        return None if text is None else frozenset(filter(None, text.split(",")))
