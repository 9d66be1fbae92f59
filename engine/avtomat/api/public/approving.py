"""Serve the links by which people decide: looking at one changes nothing, sending its form decides.

A link is all that is needed to decide, so it stands in no log, and its pages are kept by nobody and send it nowhere.
A form counts only when the browser says that it was sent by a page of this engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import page_answer
from avtomat.api.http.bodies import read_body
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, request_id_of
from avtomat.api.http.routes import Route, Routes
from avtomat.api.public.approval_page import POLICY, STYLE, STYLE_PATH, question_page, told_page
from avtomat.api.public.form_fields import FIELDS_MAX, Sent, fields_of, value_of
from avtomat.errors import RequestRefused
from avtomat.runtime.people import approvals
from avtomat.runtime.people.approvals import FORM_BYTES_MAX, Approvals
from avtomat.runtime.people.links import PATH, Claim

FORM_TYPE: Final = "application/x-www-form-urlencoded"
SENT_BYTES_MAX: Final = 4 * FORM_BYTES_MAX
"""A form as browsers send it takes up to three times as many bytes, and the comment with it."""

_TITLES: Final = {
    "approval.decided": "This has been decided",
    "approval.gone": "This is no longer asked",
    "approval.no_link": "There is no such link",
    "csrf.failed": "This was not sent from this page",
}

_Handler: TypeAlias = Callable[["ApprovingRoutes", Request], Awaitable[Answer]]


class ApprovingRoutes:
    """The routes of links; `public_url` is where people reach this engine, if it is set."""

    def __init__(self, approvals: Approvals, public_url: str | None) -> None:
        self._approvals = approvals
        self._origin = None if public_url is None else _origin_of(public_url)

    async def style(self, _request: Request) -> Answer:
        """The look of the pages."""
        return page_answer(STYLE.encode(), "text/css; charset=utf-8")

    async def show(self, request: Request) -> Answer:
        """The question and its form."""
        claim = self._claim(request)
        asked = await self._approvals.asked_by(claim)
        return _answer(question_page(asked, claim.assignee, fields_of(asked.state.form_schema)))

    async def decide(self, request: Request) -> Answer:
        """Take the decision, or show the form again with what is wrong in it."""
        self._require_own_page(request)
        claim = self._claim(request)
        asked = await self._approvals.asked_by(claim)
        sent = await _sent(request)
        fields = fields_of(asked.state.form_schema)
        choice, comment = sent.get("choice", ("",))[0], sent.get("comment", ("",))[0].strip()
        form = value_of(fields, sent) if asked.state.form is not None else None
        answer = approvals.Answer(choice=choice, comment=comment, form=form, visit=claim.visit)
        try:
            told = await self._approvals.decide_by(claim, answer, request.remote or "")
        except RequestRefused as refused:
            if refused.code != "approval.invalid":
                raise
            errors = refused.errors or [{"pointer": refused.pointer or "", "message": refused.message}]
            return _answer(question_page(asked, claim.assignee, fields, sent, errors), 422)
        later = "It takes effect when the job goes on." if told["status"] == "accepted" else "You can close this page."
        return _answer(told_page(f"Decided: {told['choice']}", asked.waiting.text, later))

    def _claim(self, request: Request) -> Claim:
        claim = self._approvals.claim(request.parts["token"])
        if claim is None:
            text = "It is not complete, or it was made before the secret of this installation changed."
            raise RequestRefused(text, status=404, code="approval.no_link")
        return claim

    def _require_own_page(self, request: Request) -> None:
        """Refuse a form that another page sent: every browser says where a form comes from."""
        origin = request.headers.get("Origin", "")
        own = {self._origin} if self._origin is not None else set()
        own |= {f"{scheme}://{request.headers.get('Host', '')}".lower() for scheme in ("http", "https")}
        if origin.lower() not in own:
            raise RequestRefused("Open the link again, and decide there.", status=403, code="csrf.failed")


def _as_page(handler: _Handler) -> _Handler:
    """The handler, whose refusals are pages for people."""

    async def serve(routes: ApprovingRoutes, request: Request) -> Answer:
        try:
            return await handler(routes, request)
        except Exception as error:
            refused = refusal_of(error, request_id_of(request))
            title = _TITLES.get(refused.code, "This did not work")
            return _answer(told_page(title, refused.message), refused.status)

    return serve


def _answer(page: str, status: int = 200) -> Answer:
    answer = page_answer(page.encode(), "text/html; charset=utf-8", POLICY)
    answer.status = status
    answer.set("Referrer-Policy", "same-origin")
    return answer


async def _sent(request: Request) -> Sent:
    """The fields that a browser sent."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise RequestRefused(f"A form was expected ({FORM_TYPE}).", status=415, code="request.media_type")
    raw = await read_body(request, SENT_BYTES_MAX)
    try:
        return parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX * FIELDS_MAX, errors="strict")
    except ValueError:
        raise RequestRefused("The form cannot be read.", status=400, code="request.body") from None


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


_LINK: Final = PATH + "/{token}"
ROUTES: Final = Routes(
    ApprovingRoutes,
    (
        Route(
            "GET",
            _LINK,
            _as_page(ApprovingRoutes.show),
            id="showLink",
            summary="The page behind a link to an approval; it changes nothing",
            answers={200: None, 404: None, 409: None, 410: None},
        ),
        Route(
            "POST",
            _LINK,
            _as_page(ApprovingRoutes.decide),
            id="decideLink",
            summary="The form of that page, as a browser sends it: it decides",
            answers={200: None, 403: None, 404: None, 409: None, 410: None, 413: None, 415: None, 422: None},
        ),
        Route("GET", STYLE_PATH, ApprovingRoutes.style, id="linkStyle", summary="Its look", answers={200: None}),
    ),
)
