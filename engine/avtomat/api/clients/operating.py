"""The operators' part of the clients' door: act on a job by hand, and ask why it does not move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.bodies import fields_of, invalid
from avtomat.api.clients.jobs import JOBS, accepted_as_json, acted, found, status_of
from avtomat.api.clients.submissions import read_key
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import optional_json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.core.messages import (
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)
from avtomat.runtime.jobs.clients import Accepted
from avtomat.runtime.people.operating import Operators
from avtomat.runtime.people.why import Explainer
from avtomat.settings import Settings

TEXT_CHARACTERS_MAX: Final = 1_000

Make = Callable[[Mapping[str, Json], str], OperatorEvent]
"""The event of a body, and of who asks."""

_EVENTS: Final[Mapping[str, tuple[tuple[str, ...], Make]]] = {
    "pause": ((), lambda body, by: PauseRequested(by=by, reason=body.get("reason", ""))),
    "resume": ((), lambda body, by: ResumeRequested(by=by, reason=body.get("reason", ""))),
    "retry": ((), lambda body, by: ReleaseRequested(by=by, reason=body.get("reason", ""))),
    "release": (
        ("data", "params"),
        lambda body, by: ReleaseRequested(
            by=by, reason=body.get("reason", ""), data=body.get("data"), params=body.get("params")
        ),
    ),
    "skip": (
        ("output",),
        lambda body, by: SkipRequested(by=by, reason=body.get("reason", ""), output=body.get("output")),
    ),
}
"""For each action of an operator the fields that it takes beside `reason`, and its event."""

_EXPECTED: Final[Mapping[str, tuple[type, str]]] = {
    "reason": (str, f"a text of at most {TEXT_CHARACTERS_MAX} characters"),
    "compensate": (bool, "true or false"),
    "state": (str, "the name of a state of the job's own machine"),
    "data": (dict, "a map: all variables of the job from now on"),
    "params": (object, "the params of the undo at which the job is parked"),
    "output": (object, "any value"),
}


class OperatingRoutes:
    """The routes below /api/v1/jobs/{job} that change the job, and the one that explains it."""

    def __init__(self, operators: Operators, explainer: Explainer, settings: Settings) -> None:
        self._operators = operators
        self._explainer = explainer
        self._body_bytes_max = settings.body_bytes_max

    async def cancel(self, request: Request) -> Answer:
        """End the job as cancelled. 200 once it has ended, whether by this or before."""
        body = await self._body(request, ("compensate",))
        job_id, caller = request.parts["job"], request.caller
        job = await self._operators.cancel(
            job_id,
            caller.acts,
            caller.name,
            body.get("reason", ""),
            compensate=body.get("compensate", True),
            key=_key_of(request),
        )
        return _answer(acted(job, request))

    async def rerun(self, request: Request) -> Answer:
        """Enter a state of an open job anew, or run an ended one again, as a new job."""
        body = await self._body(request, ("state", "data"))
        job_id, caller = request.parts["job"], request.caller
        event = RerunRequested(
            by=caller.name, reason=body.get("reason", ""), state=body.get("state"), data=body.get("data")
        )
        job = await self._operators.rerun(job_id, caller.acts, event, _key_of(request))
        if not isinstance(job, Accepted):
            return _answer(acted(job, request))
        answer = json_answer({**accepted_as_json(job), "rerun_of": job_id}, status=202)
        answer.set("Location", f"{JOBS}/{job.job_id}")
        if not job.fresh:
            answer.set("Idempotency-Replayed", "true")
        return answer

    async def why(self, request: Request) -> Answer:
        """Why the job does not move, and what to do."""
        refuse_unknown(query_of(request))
        job_id = request.parts["job"]
        return json_answer(found(await self._explainer.why(job_id, request.caller.reads), job_id))

    async def act(self, request: Request, fields: Sequence[str], make: Make) -> Answer:
        """Carry out what an operator asks, as the event that `make` gives of the body."""
        body = await self._body(request, fields)
        job_id, caller = request.parts["job"], request.caller
        job = await self._operators.operate(job_id, caller.acts, make(body, caller.name), _key_of(request))
        return _answer(acted(job, request))

    async def _body(self, request: Request, fields: Sequence[str]) -> Mapping[str, Json]:
        """The body, checked: a map with `reason` and these fields, each of which may be missing."""
        refuse_unknown(query_of(request))
        body = fields_of(await optional_json_body(request, self._body_bytes_max), ("reason", *fields))
        for name, value in body.items():
            kind, text = _EXPECTED[name]
            if not isinstance(value, kind) or (isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX):
                raise invalid(f"{name} is {text}", f"/{name}")
        return body


def _acting(name: str) -> Callable[[OperatingRoutes, Request], Awaitable[Answer]]:
    fields, make = _EVENTS[name]

    async def act(routes: OperatingRoutes, request: Request) -> Answer:
        return await routes.act(request, fields, make)

    return act


def _action(
    name: str,
    handler: Callable[[OperatingRoutes, Request], Awaitable[Answer]],
    summary: str,
    body: str,
    *,
    scopes: tuple[Scope, ...] = (Scope.OPERATOR,),
    answer: str = "Job",
) -> Route[OperatingRoutes, Answer]:
    return Route(
        "POST",
        f"{JOBS}/{{job}}/{name}",
        handler,
        id=f"{name}Job",
        summary=summary,
        scopes=scopes,
        body=body,
        body_required=False,
        answers={200: "Job", 202: answer},
        refusals=(404, 409, 422, 429, 503),
    )


ROUTES: Final = Routes(
    OperatingRoutes,
    (
        _action("cancel", OperatingRoutes.cancel, "Cancel a job", "Cancel", scopes=(Scope.CLIENT, Scope.OPERATOR)),
        _action("pause", _acting("pause"), "Pause a job", "Reason"),
        _action("resume", _acting("resume"), "Resume a paused job", "Reason"),
        _action(
            "retry",
            _acting("retry"),
            "Let a quarantined job try again what failed: its state, or its undo",
            "Reason",
        ),
        _action(
            "release",
            _acting("release"),
            "Let a quarantined job try again, with other variables or an undo's params",
            "Release",
        ),
        _action("skip", _acting("skip"), "Take a job's state, or the undo that failed, as done", "Skip"),
        _action(
            "rerun",
            OperatingRoutes.rerun,
            "Enter a state of an open job anew, or run an ended one again",
            "Rerun",
            answer="Rerunning",
        ),
        Route(
            "GET",
            JOBS + "/{job}/why",
            OperatingRoutes.why,
            id="whyJob",
            summary="Read why a job does not move, and what to do",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "Why"},
            refusals=(404, 422, 503),
        ),
    ),
)


def _key_of(request: Request) -> str | None:
    return read_key(single_header(request, "Idempotency-Key"))


def _answer(job: Mapping[str, Json]) -> Answer:
    return json_answer(job, status=status_of(job))
