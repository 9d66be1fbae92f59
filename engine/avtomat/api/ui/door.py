"""Let people in: by a token that is exchanged for a cookie; without tokens, from this machine alone.

A page needs the scopes of what it shows, and counts as a request of its client. A change is taken from pages of this
origin alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote

from avtomat.access.model import Scope
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import page_answer
from avtomat.api.http.auth import Caller, Guard, LocalGuard
from avtomat.api.http.bodies import read_body
from avtomat.api.http.doors import ClientLimits, refuse_out_of_scope
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, request_id_of
from avtomat.api.http.routes import Handler
from avtomat.api.public.metrics import RequestCounts
from avtomat.api.ui.frame import POLICY, page
from avtomat.api.ui.markup import Markup, element
from avtomat.api.ui.sessions import COOKIE, Sessions
from avtomat.errors import RequestRefused

FORM_BYTES_MAX: Final = 1_000_000
FIELDS_MAX: Final = 50
HTML: Final = "text/html; charset=utf-8"

PageHandler = Callable[[Request], Awaitable[Answer]]
PageRoute = tuple[str, str, PageHandler]


class PagesDoor:
    """Wraps handlers of pages: who is not logged in is led to the login, refusals are pages, changes are our own."""

    def __init__(self, guard: Guard, sessions: Sessions, counts: RequestCounts, limits: ClientLimits) -> None:
        self._guard = guard
        self._sessions = sessions
        self._counts = counts
        self._limits = limits

    def keep(self, routes: Iterable[PageRoute], scopes: frozenset[Scope] | None) -> Iterator[tuple[str, str, Handler]]:
        """The routes behind this door, any of `scopes` opens them; None: they are open to all, without a login."""
        for method, path, handler in routes:
            yield method, path, self._wrap(method, path, handler, scopes)

    def _wrap(self, method: str, path: str, handler: PageHandler, scopes: frozenset[Scope] | None) -> Handler:
        statuses = self._counts.of(method, path)

        async def serve(request: Request) -> Answer:
            request_id = request_id_of(request)
            try:
                answer = await self._serve(request, handler, scopes)
            except Exception as error:
                answer = refused_page(refusal_of(error, request_id))
            finally:
                if request.claims:
                    request.let_go()
            answer.set("X-Request-Id", request_id)
            answer.set("Referrer-Policy", "same-origin")
            answer.compress_for(request)
            statuses[answer.status] += 1
            return answer

        return serve

    async def _serve(self, request: Request, handler: PageHandler, scopes: frozenset[Scope] | None) -> Answer:
        if request.method == "POST":
            _demand_own_origin(request)
        if scopes is None:
            return await handler(request)
        caller = self._caller(request)
        if caller is None:
            return redirect("/ui/login?to=" + quote(request.rel_url.raw_path, safe=""))
        request.caller = caller
        if caller.client is not None:
            await self._limits.spend_request(caller.client)
        refuse_out_of_scope(caller, scopes)
        return await handler(request)

    def _caller(self, request: Request) -> Caller | None:
        if isinstance(self._guard, LocalGuard):
            return self._guard.admit(request)
        return self._sessions.caller(request.cookies.get(COOKIE))


def html_answer(markup: Markup, status: int = 200) -> Answer:
    """A page."""
    answer = page_answer(markup.encode("utf-8", "replace"), HTML, POLICY)
    answer.status = status
    return answer


def redirect(address: str) -> Answer:
    """Go on at another address of ours, by GET."""
    answer = page_answer(b"", HTML, POLICY)
    answer.status = 303
    answer.set("Location", address)
    return answer


def refused_page(refused: RequestRefused) -> Answer:
    """What was refused, why, and what helps."""
    hint = None if refused.hint is None else element("p", refused.hint, class_="hint")
    back = element("p", element("a", "Back to the jobs", href="/ui/jobs"))
    shown = page("Refused", element("h1", "That did not work"), element("p", refused.message), hint, back)
    return html_answer(shown, refused.status)


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form that was sent."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestRefused("a form is expected", status=415, code="request.media_type")
    raw = await read_body(request, FORM_BYTES_MAX)
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except (ValueError, UnicodeDecodeError):
        raise RequestRefused("the form cannot be read", status=400, code="request.form") from None


def _demand_own_origin(request: Request) -> None:
    """Refuse what a page of another origin sends; browsers say where a form comes from."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    own = origin is not None and origin.partition("://")[2] == request.headers.get("Host", "")
    if not own or site not in (None, "same-origin"):
        raise RequestRefused("requests from pages of another origin are refused", status=403, code="csrf.failed")
