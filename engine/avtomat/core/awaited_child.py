"""Hold what a scope waits for that began another job: that job's end, or the time of the next attempt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from avtomat.core.awaited import Awaited, time_as_ms, time_from_ms
from avtomat.core.formula import Json
from avtomat.core.value import value


@value
class OnChild(Awaited):
    """The end of the job `job`, a child of the blueprint `blueprint`, is awaited, at most until `deadline`.

    It is attempt `attempt` of the visit. With `until` there is no job: it failed, and the next one begins then. `taken`
    is how many failures each of several retry policies took.
    """

    FOR = "child"
    WORD = "waiting_for_child"

    job: str
    blueprint: str
    attempt: int = 1
    until: datetime | None = None
    deadline: datetime | None = None
    taken: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        record: dict[str, Json] = {"for": "child", "job": self.job, "blueprint": self.blueprint}
        record |= {"attempt": self.attempt, "deadline": time_as_ms(self.deadline)}
        if self.until is not None:
            record["until"] = time_as_ms(self.until)
        if self.taken:
            record["taken"] = self.taken
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnChild:
        """See `Awaited`."""
        return cls(
            job=record["job"],
            blueprint=record["blueprint"],
            attempt=record["attempt"],
            until=time_from_ms(record.get("until")),
            deadline=time_from_ms(record["deadline"]),
            taken=tuple(record.get("taken", ())),
        )

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return min((time for time in (self.until, self.deadline) if time is not None), default=None)
