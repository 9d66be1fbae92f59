"""Make the page /docs from the table of routes: plain HTML, no script, nothing of other hosts."""

from __future__ import annotations

from html import escape
from typing import Final

from avtomat.api.openapi.document import OPERATIONS
from avtomat.api.openapi.operation import Operation, Parameter

POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of the page."""

STYLE: Final = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
h3 { margin-bottom: 0; font-size: 1rem; }
code { font-family: ui-monospace, monospace; }
dd { margin-left: 1.5rem; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e4e6ea; } a { color: #8ab4f8; } }
"""

_DOORS: Final = {"client": "Clients", "worker": "Workers", "public": "Everybody"}


def docs_page() -> str:
    """The whole page."""
    sections = "\n".join(_section(door, title) for door, title in _DOORS.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Avtomat: HTTP API</title>'
        '<link rel="stylesheet" href="/docs.css"></head><body>\n<h1>Avtomat: HTTP API</h1>\n'
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>\n'
        f"{sections}\n</body></html>\n"
    )


def _section(door: str, title: str) -> str:
    shown = "\n".join(_operation(each) for each in OPERATIONS if each.door == door)
    return f"<h2>{title}</h2>\n{shown}"


def _operation(operation: Operation) -> str:
    route, parameters = operation.route, "".join(_parameter(each) for each in operation.details.parameters)
    statuses = ", ".join(str(status) for status in (*route.answers, *operation.all_refusals()))
    return (
        f'<section id="{route.id}"><h3><code>{route.method} {escape(route.path)}</code></h3>\n'
        f"<p>{escape(route.summary)}. {escape(operation.details.text)}</p>\n"
        + (f"<dl>{parameters}</dl>\n" if parameters else "")
        + f"<p>Answers: {statuses}</p></section>"
    )


def _parameter(parameter: Parameter) -> str:
    return f"<dt><code>{escape(parameter.name)}</code> ({parameter.place})</dt><dd>{escape(parameter.text)}</dd>"
