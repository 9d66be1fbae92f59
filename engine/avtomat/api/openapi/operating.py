"""Describe what operators ask of a job over HTTP."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.openapi.operation import Operation, idempotency_key

_JOB: Final = "/api/v1/jobs/{job}"
_REFUSALS: Final = (404, 409, 422, 429, 503)
_KEY: Final = idempotency_key("The same key with the same body is the same request: it is carried out once.")
_KEY_OF_RERUN: Final = idempotency_key(
    "The same key with the same body is the same request, and of an ended job the same new job; with another body, 409."
)


def _action(name: str, summary: str, body: str, *, text: str = "", answer: str = "Job") -> Operation:
    return Operation(
        method="post",
        path=f"{_JOB}/{name}",
        id=f"{name}Job",
        door="client",
        scopes=(Scope.CLIENT, Scope.OPERATOR) if name == "cancel" else (Scope.OPERATOR,),
        summary=summary,
        text=text or "409 `job.state` with the cause when the job is not in a state for it.",
        parameters=(_KEY_OF_RERUN if name == "rerun" else _KEY,),
        body=body,
        body_required=False,
        answers={200: "Job", 202: answer},
        refusals=_REFUSALS,
    )


OPERATING: Final = (
    _action("cancel", "Cancel a job", "Cancel", text="After undoing what it did. An ended job stays as it is."),
    _action("pause", "Hold a job where it stands", "Reason"),
    _action("resume", "Let a paused job go on", "Reason"),
    _action("retry", "Let a quarantined job try again what failed: its state, or its undo", "Reason"),
    _action("release", "Let a quarantined job try again, with other variables or an undo's params", "Release"),
    _action("skip", "Take a job's state, or the undo that failed, as done", "Skip"),
    _action(
        "rerun",
        "Enter a state of an open job anew, or run an ended one again",
        "Rerun",
        text="An ended job becomes a new one, with the same input and the current blueprint.",
        answer="Rerunning",
    ),
    Operation(
        method="get",
        path=_JOB + "/why",
        id="whyJob",
        door="client",
        scopes=(Scope.CLIENT, Scope.VIEWER),
        summary="Read why a job does not move, and what to do",
        answers={200: "Why"},
        refusals=(404, 422, 503),
    ),
)
"""In the order in which they are shown."""
