"""Read the address of an outgoing request: one parser, whose result is what is connected to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from avtomat.runtime.outgoing.addresses import Allowed, Refused

if TYPE_CHECKING:
    from yarl import URL

URL_CHARACTERS_MAX: Final = 8_000
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]|[^\S ]")
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[^\]]*\]|[^/?#:]*)(?::[0-9]+)?(?:[/?#].*)?", re.ASCII)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII)
_DOTTED: Final = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}", re.ASCII)


def read_url(text: str, allowed: Allowed, query: Mapping[str, str | Sequence[str]] | None = None) -> URL:
    """The URL, with `query` added to what it has. Raises Refused for one that may not be asked, or is none."""
    from yarl import URL

    if len(text) > URL_CHARACTERS_MAX:
        raise Refused(f"the url has {len(text)} characters; at most {URL_CHARACTERS_MAX} are sent")
    if _UNFIT.search(text):
        raise Refused("the url has white space, a control character or a backslash")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except (ValueError, UnicodeError):
        raise Refused("the url cannot be read") from None
    if url.scheme not in ("http", "https"):
        raise Refused(f"the url begins with {url.scheme or 'no scheme'}: http and https are called, nothing else")
    if not host or port is None or not 0 < port < 65_536:
        raise Refused("the url names no host, or a port that is none")
    if url.raw_user is not None or url.raw_password is not None:
        raise Refused("the url has user information: it belongs to `auth`")
    if _AUTHORITY.fullmatch(text) is None:
        raise Refused("the url has a port that is not a number")
    if "%" in host:
        raise Refused("the host of the url has a zone, or an escape")
    last = host.rstrip(".").rpartition(".")[2]
    if ":" not in host and _NUMBER.fullmatch(last) and not _DOTTED.fullmatch(host):
        raise Refused("the host of the url is a number in a form that is no address")
    allowed.check_host(host, port)
    return url.extend_query(query) if query else url
