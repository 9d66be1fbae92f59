"""Describe what people are asked in a job, and how it is decided over HTTP."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.openapi.operation import Operation, Parameter

_APPROVALS: Final = "/api/v1/jobs/{job}/approvals"
_LINK: Final = "/approve/{token}"

DECIDING: Final = (
    Operation(
        method="get",
        path=_APPROVALS,
        id="listApprovals",
        door="client",
        scopes=(Scope.CLIENT, Scope.VIEWER),
        summary="Read what people are asked in a job now",
        text="Of the bodies of blocks so many are looked at; `complete` is false when there are more.",
        parameters=(
            Parameter(
                name="links",
                text="With `true`: the links by which those who are asked can decide; all of them for who may "
                "operate the job. Whoever has a link can decide by it.",
                schema={"type": "boolean", "default": False},
            ),
        ),
        answers={200: "Approvals"},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="post",
        path=_APPROVALS + "/{state}",
        id="decideApproval",
        door="client",
        scopes=(Scope.CLIENT, Scope.OPERATOR),
        summary="Decide what a state asks",
        text="`state` is the path of the state, as errors have it, or that of the scope. The first decision of a visit "
        "counts: later ones get 409 `approval.decided` with who decided, what and when in `details`; an earlier visit "
        "is 410. 202: the job does not move now, and the decision counts once it goes on.",
        body="Decision",
        answers={200: "Decided", 202: "Decided"},
        refusals=(404, 409, 410, 422, 429, 503),
    ),
)
LINKS: Final = (
    Operation(
        method="get",
        path=_LINK,
        id="showLink",
        door="public",
        summary="The page behind a link to an approval; it changes nothing",
        answers={200: None, 404: None, 409: None, 410: None},
    ),
    Operation(
        method="post",
        path=_LINK,
        id="decideLink",
        door="public",
        summary="The form of that page, as a browser sends it: it decides",
        answers={200: None, 403: None, 404: None, 409: None, 410: None, 413: None, 415: None, 422: None},
    ),
    Operation(
        method="get", path="/approve.css", id="linkStyle", door="public", summary="Its look", answers={200: None}
    ),
)
