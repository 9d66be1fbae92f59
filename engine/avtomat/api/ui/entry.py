"""The way in and out of the pages, and what all of them share: the stylesheet and the script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import page_answer
from avtomat.api.http.requests import Request
from avtomat.api.ui.door import PageRoute, form_of, html_answer, redirect
from avtomat.api.ui.frame import page
from avtomat.api.ui.markup import Markup, element
from avtomat.api.ui.sessions import COOKIE, SESSION_S, Sessions
from avtomat.graph.svg import STYLE

_HOME: Final = "/ui/jobs"


class EntryRoutes:
    """The routes that need no login."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> Sequence[PageRoute]:
        """All of them."""
        return (
            ("GET", "/ui", self.home),
            ("GET", "/ui/login", self.ask),
            ("POST", "/ui/login", self.log_in),
            ("POST", "/ui/logout", self.log_out),
            ("GET", "/ui/style.css", self.style),
            ("GET", "/ui/live.js", self.script),
        )

    async def home(self, _request: Request) -> Answer:
        """The list of jobs is where people begin."""
        return redirect(_HOME)

    async def ask(self, request: Request) -> Answer:
        """The form."""
        return html_answer(_form(request.rel_url.query.get("to", _HOME), ""))

    async def log_in(self, request: Request) -> Answer:
        """A good token becomes a cookie."""
        form = await form_of(request)
        to = _own(form.get("to", _HOME))
        value = self._sessions.open(form.get("token", ""))
        if value is None:
            return html_answer(_form(to, "The token is wrong."), 403)
        answer = redirect(to)
        answer.set("Set-Cookie", f"{COOKIE}={value}; Max-Age={SESSION_S}{_flags(request)}")
        return answer

    async def log_out(self, request: Request) -> Answer:
        """The cookie goes."""
        answer = redirect("/ui/login")
        answer.set("Set-Cookie", f"{COOKIE}=; Max-Age=0{_flags(request)}")
        return answer

    async def style(self, _request: Request) -> Answer:
        """The stylesheet; that of graphs comes first, so that the page's colours count."""
        return page_answer(STYLE.encode() + _asset("style.css"), "text/css; charset=utf-8")

    async def script(self, _request: Request) -> Answer:
        """What keeps pages fresh."""
        return page_answer(_asset("live.js"), "text/javascript; charset=utf-8")


@cache
def _asset(name: str) -> bytes:
    return (files("avtomat.api.ui") / "assets" / name).read_bytes()


def _flags(request: Request) -> str:
    """For our pages alone, out of reach of scripts, and over TLS alone where the browser came by it."""
    secure = request.headers.get("Origin", "").startswith("https://")
    return f"; Path=/ui; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _own(address: str) -> str:
    """An address of these pages; anything else becomes the first page."""
    parts = urlsplit(address)
    return address if not parts.netloc and not parts.scheme and address.startswith("/ui/") else _HOME


def _form(to: str, wrong: str) -> Markup:
    return page(
        "Log in",
        element("h1", "Log in"),
        element("p", wrong, class_="bad", role="alert") if wrong else None,
        element(
            "form",
            element("label", "Token ", element("input", name="token", type="password", required=True, autofocus=True)),
            element("input", name="to", type="hidden", value=_own(to)),
            element("button", "Log in"),
            element("p", "The token of a client: AVTOMAT_CLIENT_TOKEN, or one of clients.toml.", class_="hint"),
            method="post",
            action="/ui/login",
        ),
    )
