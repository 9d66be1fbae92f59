"""Check a body of the clients' door: it is a map with known fields only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.suggest import did_you_mean

NAME_SHOWN_MAX = 80


def fields_of(body: Json, known: Collection[str], also: str = "") -> Mapping[str, Json]:
    """The body, whose fields are all known. RequestRefused: it is not a map, or has others; `also` ends
    the hint.
    """
    if not isinstance(body, dict):
        raise invalid(f"the body is a map with {', '.join(known)}", "")
    for name in body:
        if name not in known:
            meant = did_you_mean(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}{also}"
            raise invalid(f"there is no field {name[:NAME_SHOWN_MAX]!r} here", f"/{_escaped(name)}", hint)
    return body


def invalid(text: str, pointer: str, hint: str | None = None) -> RequestRefused:
    """The refusal of a part of a body, by its JSON pointer."""
    return RequestRefused(text, status=422, code="request.invalid", pointer=pointer, hint=hint)


def _escaped(name: str) -> str:
    """The name as a part of a JSON pointer."""
    return name[:NAME_SHOWN_MAX].replace("~", "~0").replace("/", "~1")
