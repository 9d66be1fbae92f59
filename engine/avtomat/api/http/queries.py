"""Read the part of a URL behind the question mark, and the values that stand there.

It is read here and not by yarl, which builds a map of lists for each request at ten times the price.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from avtomat.api.http.requests import Request
from avtomat.errors import RequestRefused
from avtomat.suggest import did_you_mean

_SECONDS: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,30})?(?:e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
QUERIES_KNOWN_MAX: Final = 256
_NOTHING: Final[Mapping[str, str]] = {}


def query_of(request: Request) -> Mapping[str, str]:
    """The parameters by name; a name that stands there twice is refused."""
    raw = request.rel_url.raw_query_string
    return _parameters(raw) if raw else _NOTHING


@lru_cache(maxsize=QUERIES_KNOWN_MAX)
def _parameters(raw: str) -> Mapping[str, str]:
    """They are the same in each poll of a worker."""
    found: dict[str, str] = {}
    for pair in raw.split("&"):
        name, _, value = pair.partition("=")
        if name and name in found:
            text = f"the parameter {name[:80]!r} is given more than once"
            raise RequestRefused(text, status=422, code="request.parameter", hint="send it once")
        found[name] = unquote_plus(value) if "%" in value or "+" in value else value
    return found


def refuse_unknown(query: Mapping[str, str], known: Collection[str] = ()) -> None:
    """Refuse parameters that are not known: a mistyped filter would show everything, and `cancel?compensate=false`
    would undo what it should not.
    """
    for name in query:
        if name not in known:
            meant = did_you_mean(name, known)
            others = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise RequestRefused(
                f"there is no parameter {name[:80]!r} here",
                status=422,
                code="request.parameter",
                hint=f"did you mean {meant}?" if meant else others,
            )


def seconds(query: Mapping[str, str], name: str, *, default: float, most: float, cut: bool = False) -> float:
    """A span in seconds, at most `most`; a longer one is refused, or with `cut` taken for `most`."""
    text = query.get(name)
    if text is None:
        return default
    if _SECONDS.fullmatch(text) is None or not (cut or float(text) <= most):
        raise _unfit(name, text, f"a number of seconds from 0 to {most:g}")
    return min(float(text), most)


def count(query: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """A whole number within both bounds."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise _unfit(name, text, f"a whole number from {least} to {most}")
    return int(text)


def _unfit(name: str, text: str, expected: str) -> RequestRefused:
    return RequestRefused(
        f"{name}={text[:80]} is not {expected}", status=422, code="request.parameter", hint=f"{name} is {expected}"
    )
