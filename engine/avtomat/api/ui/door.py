"""Let people in: by a token that is exchanged for a cookie; without tokens, from this machine alone.

The cookie holds no token: it says until when it is good, signed with what only a holder of the token could know. A
change is taken from pages of this origin alone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Final
from urllib.parse import parse_qsl, quote

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import page_answer
from avtomat.api.http.auth import ADMIN, Caller, Guard, LocalGuard
from avtomat.api.http.bodies import read_body
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, request_id_of
from avtomat.api.http.routes import Handler
from avtomat.api.public.metrics import RequestCounts
from avtomat.api.ui.frame import POLICY, page
from avtomat.api.ui.markup import Markup, element
from avtomat.errors import RequestRefused

SESSION_S: Final = 12 * 3600
FORM_BYTES_MAX: Final = 1_000_000
FIELDS_MAX: Final = 50
COOKIE: Final = "avtomat_session"
HTML: Final = "text/html; charset=utf-8"

PageHandler = Callable[[Request], Awaitable[Answer]]
PageRoute = tuple[str, str, PageHandler]


class Sessions:
    """Cookies that stand for the token of the settings; without a token there is nothing to log in to."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._key = None if token is None else sha256(b"session\0" + token.encode()).digest()

    def open(self, token: str) -> str | None:
        """The cookie's value for somebody who has the token."""
        if self._token is None or not compare_digest(token.encode(), self._token.encode()):
            return None
        until = str(int(time.time()) + SESSION_S)
        return f"{until}.{self._sign(until)}"

    def caller(self, cookie: str | None) -> Caller | None:
        """Who is logged in; None for nobody, or not any more."""
        until, _, mac = (cookie or "").partition(".")
        if self._key is None or not until.isdigit() or not compare_digest(mac, self._sign(until)):
            return None
        return ADMIN if int(until) > time.time() else None

    def _sign(self, until: str) -> str:
        assert self._key is not None
        return hmac(self._key, until.encode(), "sha256").hexdigest()


class PagesDoor:
    """Wraps handlers of pages: who is not logged in is led to the login, refusals are pages, changes are our own."""

    def __init__(self, guard: Guard, sessions: Sessions, counts: RequestCounts) -> None:
        self._guard = guard
        self._sessions = sessions
        self._counts = counts

    def keep(self, routes: Iterable[PageRoute], *, open_to_all: bool = False) -> Iterator[tuple[str, str, Handler]]:
        """The routes behind this door; those that are open to all need no login."""
        for method, path, handler in routes:
            yield method, path, self._wrap(method, path, handler, open_to_all)

    def _wrap(self, method: str, path: str, handler: PageHandler, open_to_all: bool) -> Handler:
        statuses = self._counts.of(method, path)

        async def serve(request: Request) -> Answer:
            request_id = request_id_of(request)
            try:
                answer = await self._serve(request, handler, open_to_all)
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

    async def _serve(self, request: Request, handler: PageHandler, open_to_all: bool) -> Answer:
        if request.method == "POST":
            _demand_own_origin(request)
        if not open_to_all:
            caller = self._caller(request)
            if caller is None:
                return redirect("/ui/login?to=" + quote(request.rel_url.raw_path, safe=""))
            request.caller = caller
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
