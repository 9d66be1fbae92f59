"""Put a page together: the way around, the head that says where things stand, and the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import orjson

from avtomat.api.ui.markup import Child, Markup, element, joined
from avtomat.core.duration import format_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
VALUE_CHARACTERS_MAX: Final = 32 * 1024
"""A longer value is not shown on a page, but linked to."""

_WAYS: Final = (
    ("Incidents", "/ui/incidents"),
    ("Jobs", "/ui/jobs"),
    ("Blueprints", "/ui/blueprints"),
    ("Schedules", "/ui/schedules"),
    ("Workers", "/ui/workers"),
    ("Queues", "/ui/queues"),
    ("Engine", "/ui/engine"),
)

_NOT_FOR_CLIENTS: Final = frozenset({"/ui/schedules", "/ui/workers", "/ui/queues", "/ui/engine"})

_SHAPES: Final = {
    "finished": ("good", "✓"), "failed": ("bad", "✕"), "cancelled": ("off", "⊘"), "quarantined": ("bad", "!"),
    "compensating": ("worry", "↺"), "finishing": ("busy", "⋯"), "paused": ("off", "‖"), "running": ("busy", "▶"),
}  # fmt: skip
"""A shape and a colour for each status; those that wait share one."""


def page(
    title: str,
    *content: Child,
    here: str = "",
    live: bool = False,
    sees_all: bool = True,
    leaves: str | None = None,
) -> Markup:
    """A whole page; `here` is the address of the entry it belongs to, `live` lets the script keep it fresh.

    It is for who sees all jobs, or for a client, to whom it shows fewer ways; `leaves` is who may log out.
    """
    shown = [(name, way) for name, way in _WAYS if sees_all or way not in _NOT_FOR_CLIENTS]
    ways = [element("a", name, href=way, aria_current="page" if way == here else None) for name, way in shown]
    leave = None
    if leaves is not None:
        out = element("button", "Log out", title=f"Logged in as {leaves}")
        leave = element("form", out, method="post", action="/ui/logout")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · Avtomat"),
        element("link", rel="stylesheet", href="/ui/style.css"),
        element("script", src="/ui/live.js", defer=True),
    )
    search = element(
        "form",
        element("input", name="id", placeholder="Job id", aria_label="Job id", data_key="/"),
        action="/ui/jobs",
        method="get",
        class_="search",
    )
    nav = element("nav", element("b", "Avtomat"), *ways, search, leave, aria_label="Main")
    main = element("main", *content, id="main", data_live="2000" if live else None)
    body = element("body", nav, main, element("p", "", id="stream", role="status"))
    return Markup(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def status_badge(status: str) -> Markup:
    """The word of a status with its shape and colour."""
    tone, shape = _SHAPES.get(status, ("wait", "…"))
    return element(
        "span", element("span", shape, aria_hidden="true"), f" {status.replace('_', ' ')}", class_=f"badge {tone}"
    )


def link(text: str, *parts: str, query: str = "") -> Markup:
    """A link to an address of the pages, made of parts that are escaped."""
    return element("a", text, href="/ui/" + "/".join(quote(part, safe="") for part in parts) + query)


def table(heads: tuple[str, ...], rows: list[tuple[Child, ...]], empty: Child) -> Markup:
    """A table, or what to do where there is nothing to show."""
    if not rows:
        return element("p", empty, class_="empty")
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="wide")


def ago(text: str | None, now: datetime | None = None) -> Markup:
    """A time as the span that has passed since, with the exact time beside it."""
    moment = None if text is None else parse_time(text)
    if moment is None or text is None:
        return joined("–")
    passed = (now or datetime.now(UTC)) - moment
    return element(
        "time", f"{span_words(abs(passed))} {'ago' if passed >= timedelta() else 'from now'}", datetime=text, title=text
    )


def span_words(span: timedelta) -> str:
    """A span in the two largest of its units."""
    seconds = int(span.total_seconds())
    for unit in (86_400, 3_600, 60):
        if seconds >= unit:
            return format_duration(timedelta(seconds=seconds - seconds % (unit // 60 if unit > 60 else 1)))
    return f"{seconds}s"


def value_view(name: str, value: Json, whole_at: str, *, opened: bool = False) -> Markup:
    """A value, folded; a large one is linked to."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if len(text) > VALUE_CHARACTERS_MAX:
        return element("p", f"{name}: {len(text):,} characters, ", element("a", "as JSON", href=whole_at))
    return element("details", element("summary", name), element("pre", text, tabindex="0"), open=opened)
