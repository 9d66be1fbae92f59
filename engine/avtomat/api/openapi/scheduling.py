"""Describe the schedules of blueprints over HTTP."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.openapi.operation import Operation, Parameter, idempotency_key

_SCHEDULES: Final = "/api/v1/schedules"
_SCHEDULE: Final = _SCHEDULES + "/{blueprint}/{name}"


def _wish(name: str, summary: str, text: str) -> Operation:
    return Operation(
        method="post",
        path=f"{_SCHEDULE}/{name}",
        id=f"{name}Schedule",
        door="client",
        scopes=(Scope.OPERATOR,),
        summary=summary,
        text=text,
        body="Reason",
        body_required=False,
        answers={200: "Schedule"},
        refusals=(404, 422, 503),
    )


SCHEDULING: Final = (
    Operation(
        method="get",
        path=_SCHEDULES,
        id="listSchedules",
        door="client",
        scopes=(Scope.VIEWER,),
        summary="List the schedules of the blueprints in use",
        parameters=(Parameter(name="blueprint", text="Only those of this blueprint.", schema={"type": "string"}),),
        answers={200: "Schedules"},
        refusals=(422, 503),
    ),
    Operation(
        method="get",
        path=_SCHEDULE,
        id="getSchedule",
        door="client",
        scopes=(Scope.VIEWER,),
        summary="Read a schedule: its next times, and what became of its last runs",
        answers={200: "Schedule"},
        refusals=(404, 422, 503),
    ),
    _wish("pause", "Let no run of a schedule begin", "Runs that wait are dropped, and jobs that run go on."),
    _wish("resume", "Let a paused schedule go on", "From now on: nothing is made up for."),
    Operation(
        method="post",
        path=_SCHEDULE + "/trigger",
        id="triggerSchedule",
        door="client",
        scopes=(Scope.OPERATOR,),
        summary="Make a job of a schedule now, with its input",
        text="Whatever runs, and whether or not it is paused. 409 `schedule.busy` with 100 of its jobs open, 422 "
        "`schedule.refused` when its input does not fit.",
        parameters=(idempotency_key("The same key of the same person is the same job, as long as it is kept."),),
        body="Reason",
        body_required=False,
        answers={202: "Triggered"},
        refusals=(404, 409, 422, 503),
    ),
)
"""In the order in which they are shown."""
