"""Write down what an operator asks of a job, and read it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from avtomat.core.formula import Json
from avtomat.core.messages import (
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)

_ACTIONS: dict[str, type[OperatorEvent]] = {
    "pause": PauseRequested,
    "resume": ResumeRequested,
    "release": ReleaseRequested,
    "rerun": RerunRequested,
    "skip": SkipRequested,
}
_NAMES = {event: name for name, event in _ACTIONS.items()}


def operator_as_json(event: OperatorEvent) -> dict[str, Json]:
    """The request as the mailbox keeps it."""
    return {"action": _NAMES[type(event)], **asdict(event)}


def operator_event(record: Mapping[str, Json]) -> OperatorEvent:
    """What `operator_as_json` wrote down."""
    fields = {name: value for name, value in record.items() if name != "action"}
    return _ACTIONS[record["action"]](**fields)
