"""Read the endpoints of webhooks that settings name: where events go, who signs them, and which there are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from avtomat.core.webhooks import EVENTS, SUBMISSION
from avtomat.setting_kinds import Json, Kind, UnfitValueError, parse_text, secret_name, show_list

SECRETS_MAX: Final = 5
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}", re.ASCII)
_KEYS: Final = frozenset({"url", "secret", "events", "blueprints"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events go. `secrets` are names, of which each signs; `events` are types; `blueprints` are patterns."""

    name: str
    url: str
    secrets: tuple[str, ...]
    events: tuple[str, ...] = EVENTS
    blueprints: tuple[str, ...] = ("*",)

    def takes(self, blueprint: str) -> bool:
        """Whether jobs of this blueprint are told of."""
        return any(fnmatchcase(blueprint, pattern) for pattern in self.blueprints)


def events_of(patterns: Sequence[object]) -> tuple[str, ...]:
    """The types of events that these patterns name. Raises ValueError, which names the pattern, where it names none."""
    for pattern in patterns:
        if not isinstance(pattern, str) or not any(fnmatchcase(event, pattern) for event in EVENTS):
            raise ValueError(f"{str(pattern)[:80]!r} is no event; there are {', '.join(EVENTS)}, and patterns as job.*")
    return tuple(event for event in EVENTS if any(fnmatchcase(event, str(pattern)) for pattern in patterns))


def parse_endpoints(value: object) -> Mapping[str, Endpoint]:
    """A table of endpoints by name, each a table; a variable brings it as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UnfitValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UnfitValueError('must be a table: [webhooks.crm] with url = "https://…" and secret = "name"')
    return {name: _endpoint(name, table) for name, table in value.items()}


def parse_secret_names(value: object) -> tuple[str, ...]:
    """The name of a secret, or a list of them; in a text with commas. Nothing is no name."""
    if isinstance(value, str):
        value = [each for each in value.replace(",", " ").split() if each]
    if not isinstance(value, list) or len(value) > SECRETS_MAX or not all(map(_is_text, value)):
        raise UnfitValueError(f"must be the name of a secret, or a list of up to {SECRETS_MAX}")
    return tuple(map(secret_name, value))


def _endpoint(name: str, table: Json) -> Endpoint:
    if not _NAME.fullmatch(name) or name == SUBMISSION:
        text = f"{name[:80]!r} is no name of an endpoint: small letters, digits and _, and not {SUBMISSION}"
        raise UnfitValueError(text, name)
    if not isinstance(table, dict) or not {"url", "secret"} <= table.keys() <= _KEYS:
        raise UnfitValueError(f"{name} must have url and secret, and may have events and blueprints", name)
    try:
        secrets = parse_secret_names(table["secret"])
        if not secrets:
            raise UnfitValueError("secret must name one at least")
        return Endpoint(
            name=name,
            url=_url(table["url"]),
            secrets=secrets,
            events=events_of(_list(table.get("events", ["*"]))),
            blueprints=tuple(_list(table.get("blueprints", ["*"]))),
        )
    except ValueError as unfit:
        raise UnfitValueError(f"{name}: {unfit}", name) from None


def _url(value: object) -> str:
    text = parse_text(value)
    if not text.startswith(("https://", "http://")):
        raise UnfitValueError("url must begin with https:// or http://")
    return text


def _list(value: object) -> list[str]:
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise UnfitValueError("events and blueprints must be lists of names or patterns")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def show_endpoints(value: Mapping[str, Endpoint]) -> str:
    """The table as JSON."""
    parts = {
        name: {
            "url": each.url,
            "secret": list(each.secrets),
            "events": list(each.events),
            "blueprints": list(each.blueprints),
        }
        for name, each in value.items()
    }
    return json.dumps(parts, ensure_ascii=False)


ENDPOINTS: Final = Kind(words="table", parse=parse_endpoints, show=show_endpoints)
SECRET_NAMES: Final = Kind(words="names of secrets", parse=parse_secret_names, show=show_list)
