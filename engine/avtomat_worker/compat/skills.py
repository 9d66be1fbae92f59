"""Collect functions under their names, as avtomatika-worker does: on a worker, or beside one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Json = Any
F = TypeVar("F", bound=Callable[..., Any])
_PUBLISHED = (
    "description",
    "version",
    "input_schema",
    "output_schema",
    "events_schema",
    "output_statuses",
    "properties",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillInfo:
    """What is said of a skill at registration."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    version: str | None = None
    input_schema: dict[str, Json] | None = None
    output_schema: dict[str, Json] | None = None
    events_schema: dict[str, Json] | None = None
    output_statuses: list[str] | None = None
    properties: dict[str, Json] | None = None

    def published(self) -> dict[str, Json]:
        """Return what was said, as JSON."""
        told = {name: getattr(self, name) for name in _PUBLISHED if getattr(self, name) is not None}
        return told if self.type is None else {**told, "type": self.type}


class Collector:
    """Takes functions by its decorators; `add` says what becomes of each."""

    def add(self, info: SkillInfo, function: Callable[..., Any]) -> None:
        """A function was decorated."""
        raise NotImplementedError

    def skill(self, info: str | SkillInfo | None = None, **more: Any) -> Callable[[F], F]:
        """Let the decorated function do a skill; its name is that of the function unless it is given."""

        def decorator(function: F) -> F:
            given = info if isinstance(info, SkillInfo) else SkillInfo(name=info or function.__name__, **more)
            self.add(given, function)
            return function

        return decorator

    def task(self, name: str, task_type: str | None = None) -> Callable[[F], F]:
        """The same under the name that it had before 1.0b8."""
        return self.skill(name, type=task_type)


class SkillBlueprint(Collector):
    """Functions that a worker takes over with `include_blueprint`."""

    def __init__(self) -> None:
        self.skills: list[tuple[SkillInfo, Callable[..., Any]]] = []

    def add(self, info: SkillInfo, function: Callable[..., Any]) -> None:
        """Keep it until a worker takes it over."""
        self.skills.append((info, function))
