"""Hold what a scope waits for that asks people: the question, who may answer it, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from avtomat.core.awaited import Awaited, time_as_ms, time_from_ms
from avtomat.core.formula import Json
from avtomat.core.timestamp import span_ms
from avtomat.core.value import value

ADDRESS = "approval:"
"""How the address of a decision begins: a path follows, and no name of a signal has a slash."""


@value
class OnApproval(Awaited):
    """People are asked `text` for this `visit` of the scope at `path`, at most until `deadline`.

    Without `assignees` whoever may operate the job decides. `reminders` is how often it was reminded of; the next
    reminder is at `remind_at`, and they are `remind` apart.
    """

    FOR = "approval"
    WORD = "waiting_for_human"

    text: str
    path: str
    visit: int
    assignees: tuple[str, ...] = ()
    deadline: datetime | None = None
    remind: timedelta | None = None
    remind_at: datetime | None = None
    reminders: int = 0

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        record: dict[str, Json] = {"for": "approval", "text": self.text, "path": self.path, "visit": self.visit}
        if self.assignees:
            record["assignees"] = self.assignees
        record["deadline"] = time_as_ms(self.deadline)
        if self.remind is not None:
            record["remind"] = span_ms(self.remind)
            record["remind_at"] = time_as_ms(self.remind_at)
            record["reminders"] = self.reminders
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnApproval:
        """See `Awaited`."""
        remind = record.get("remind")
        return cls(
            text=record["text"],
            path=record["path"],
            visit=record["visit"],
            assignees=tuple(record.get("assignees", ())),
            deadline=time_from_ms(record["deadline"]),
            remind=None if remind is None else timedelta(milliseconds=remind),
            remind_at=time_from_ms(record.get("remind_at")),
            reminders=record.get("reminders", 0),
        )

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return min((time for time in (self.deadline, self.remind_at) if time is not None), default=None)

    @property
    def signal(self) -> tuple[str, str] | None:
        """See `Awaited`: each visit of each scope has an address of its own."""
        return address_of(self.path, self.visit)


def address_of(path: str, visit: int) -> tuple[str, str]:
    """The address and key under which the decision for one visit of one scope comes."""
    return f"{ADDRESS}{path}", str(visit)
