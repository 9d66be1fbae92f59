"""The clients' door: see what people are asked in a job, and decide it."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.bodies import fields_of, invalid
from avtomat.api.clients.jobs import JOBS, found
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.people import approvals
from avtomat.runtime.people.approvals import Approvals, Decider
from avtomat.settings import Settings

APPROVALS: Final = JOBS + "/{job}/approvals"
_FIELDS: Final = ("choice", "comment", "form", "visit")


class ApprovalRoutes:
    """The routes below /api/v1/jobs/{job}/approvals."""

    def __init__(self, approvals: Approvals, settings: Settings) -> None:
        self._approvals = approvals
        self._body_bytes_max = settings.body_bytes_max

    async def list(self, request: Request) -> Answer:
        """What is asked in a job now. With `links=true` each with the links that the caller may have."""
        query = query_of(request)
        refuse_unknown(query, ("links",))
        links = query.get("links", "false")
        if links not in {"true", "false"}:
            text = f"links={links[:80]} is not true or false"
            raise RequestRefused(text, status=422, code="request.parameter", hint="links is true or false")
        job_id, client = request.parts["job"], request.caller.reads
        shown = await self._approvals.open_of(job_id, client, _decider(request), links=links == "true")
        return json_answer(found(shown, job_id))

    async def decide(self, request: Request) -> Answer:
        """Decide: 200 once it is, 202 when it counts as soon as the job goes on."""
        refuse_unknown(query_of(request))
        answer = _checked(await json_body(request, self._body_bytes_max))
        job_id, client, state = request.parts["job"], request.caller.acts, request.parts["state"]
        told = found(await self._approvals.decide(job_id, client, state, answer, _decider(request)), job_id)
        return json_answer(told, status=202 if told["status"] == "accepted" else 200)


ROUTES: Final = Routes(
    ApprovalRoutes,
    (
        Route(
            "GET",
            APPROVALS,
            ApprovalRoutes.list,
            id="listApprovals",
            summary="Read what people are asked in a job now",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "Approvals"},
            refusals=(404, 422, 503),
        ),
        Route(
            "POST",
            APPROVALS + "/{state}",
            ApprovalRoutes.decide,
            id="decideApproval",
            summary="Decide what a state asks",
            scopes=(Scope.CLIENT, Scope.OPERATOR),
            body="Decision",
            answers={200: "Decided", 202: "Decided"},
            refusals=(404, 409, 410, 422, 429, 503),
        ),
    ),
)


def _decider(request: Request) -> Decider:
    caller = request.caller
    return Decider(name=caller.name, operates=Scope.OPERATOR in caller.scopes, via="api", origin=request.remote or "")


def _checked(body: Json) -> approvals.Answer:
    body = fields_of(body, _FIELDS, "; data goes into form")
    choice, comment, visit = body.get("choice"), body.get("comment"), body.get("visit")
    if not isinstance(choice, str):
        raise invalid("choice is one of the choices of the state", "/choice")
    if comment is not None and not isinstance(comment, str):
        raise invalid("comment is a text", "/comment")
    if visit is not None and (not isinstance(visit, int) or isinstance(visit, bool)):
        raise invalid("visit is a whole number", "/visit")
    return approvals.Answer(choice=choice, comment=comment or "", form=body.get("form"), visit=visit)
