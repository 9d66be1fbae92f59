"""Read clients.toml: plans and clients, their tokens, scopes and limits.

Unknown keys are refused. A client has what it says itself, else what its plan says; labels of both are joined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from avtomat.access.fields import TEXT_MAX, Fields, Reading
from avtomat.access.model import Client, Per, Quota, Rate, Scope, held_with
from avtomat.access.toml import Json, Path, TomlText, read_toml
from avtomat.blueprint.findings.codes_access import UNFIT_NAME, UNFIT_VALUE, UNKNOWN_KEY, UNKNOWN_PLAN
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.limits import EvaluationError
from avtomat.blueprint.language.zones import local_time
from avtomat.core.duration import duration_hint, parse_duration
from avtomat.suggest import did_you_mean

ADMIN: Final = "admin"
"""Whoever has the client's token of the settings."""

NUMBER_MAX: Final = 10**9
LABELS_MAX: Final = 16
WEIGHT_MIN: Final = 0.01
WEIGHT_MAX: Final = 100
RATE_SPAN_MIN: Final = timedelta(seconds=1)
RATE_SPAN_MAX: Final = timedelta(days=1)
TOP: Final = ("clients", "plans")
PLAN_KEYS: Final = ("scopes", "blueprints", "rate", "quota", "weight", "labels")
CLIENT_KEYS: Final = ("tokens", "plan", *PLAN_KEYS)
RATE_KEYS: Final = ("requests", "per")
QUOTA_KEYS: Final = ("jobs", "per", "zone")
NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
PATTERN: Final = re.compile(r"[a-z0-9_*?-]{1,64}", re.ASCII)
_NAME_HINT: Final = "a lower-case letter, then lower-case letters, digits, _, - and ."


def read_clients(content: bytes) -> Reading[Client]:
    """The file, unless a finding refuses it, and all findings, in its order."""
    text = read_toml(content)
    if isinstance(text, Finding):
        return None, [text]
    fields = Fields(text)
    fields.table((), _without_strangers(fields, text), TOP, "the file")
    plans = {name: _limits(fields, path, value, PLAN_KEYS, "a plan") for name, path, value in _entries(fields, "plans")}
    clients = {name: _client(fields, name, path, value, plans) for name, path, value in _entries(fields, "clients")}
    return fields.outcome(clients)


def _without_strangers(fields: Fields, text: TomlText) -> Mapping[str, Json]:
    """The top of the file without tables that look like clients of Avtomatika, for which there is a better word."""
    strangers = [
        key for key, value in text.value.items() if key not in TOP and isinstance(value, dict) and "token" in value
    ]
    for key in strangers:
        hint = f"write [clients.{key}], and tokens instead of token"
        fields.wrong_key(UNKNOWN_KEY, (key,), f"{key[:80]!r} is outside the table clients", hint)
    return {key: value for key, value in text.value.items() if key not in strangers}


def _entries(fields: Fields, name: str) -> list[tuple[str, Path, Json]]:
    what = name.removesuffix("s")
    entries = [*fields.entries(name, lambda key: None if NAME.fullmatch(key) else _NAME_HINT, what)]
    for key, path, _ in entries:
        if key == ADMIN and name == "clients":
            hint = "admin is the holder of the client token of the settings; choose another name"
            fields.wrong_key(UNFIT_NAME, path, "the name admin is reserved", hint)
    return entries


def _client(fields: Fields, name: str, path: Path, value: Json, plans: Mapping[str, Mapping[str, Any]]) -> Client:
    own = _limits(fields, path, value, CLIENT_KEYS, "a client")
    table = value if isinstance(value, dict) else {}
    fields.read_tokens(name, path, table)
    plan = table.get("plan")
    if plan is not None and plan not in plans:
        meant = did_you_mean(plan, plans) if isinstance(plan, str) else None
        hint = f"did you mean {meant}?" if meant else f"there {_listed(plans)}"
        fields.wrong((UNKNOWN_PLAN), (*path, "plan"), f"there is no plan {str(plan)[:80]!r}", hint)
    usual = plans.get(plan, {}) if isinstance(plan, str) else {}
    labels = {**usual.get("labels", {}), **own.get("labels", {})}
    client = Client(name=name, plan=plan if isinstance(plan, str) else None)
    return replace(client, **{**usual, **own, "labels": labels})


def _listed(plans: Mapping[str, object]) -> str:
    return f"are {', '.join(plans)}" if plans else "is none: write a table [plans.NAME]"


def _limits(fields: Fields, path: Path, value: Json, known: tuple[str, ...], what: str) -> dict[str, Any]:
    """What a client or a plan says of itself, in the words of `Client`."""
    table = fields.table(path, value, known, what)
    found: dict[str, Any] = {}
    readers = {
        "scopes": _scopes,
        "blueprints": _blueprints,
        "rate": _rate,
        "quota": _quota,
        "weight": _weight,
        "labels": _labels,
    }
    for key, read in readers.items():
        if key in table and (said := read(fields, (*path, key), table[key])) is not None:
            found[key] = said
    return found


def _scopes(fields: Fields, path: Path, value: Json) -> frozenset[Scope] | None:
    if not isinstance(value, list) or not value:
        fields.wrong(UNFIT_VALUE, path, f"scopes is a list of some of {', '.join(Scope)}")
        return None
    words = [fields.word((*path, number), each, tuple(Scope)) for number, each in enumerate(value)]
    return held_with(Scope(word) for word in words if word is not None)


def _blueprints(fields: Fields, path: Path, value: Json) -> tuple[str, ...]:
    return fields.texts(path, value, PATTERN, "names of blueprints, in which * and ? stand for other characters")


def _rate(fields: Fields, path: Path, value: Json) -> Rate | None:
    table = fields.table(path, value, RATE_KEYS, "a rate")
    if not fields.required(path, table, RATE_KEYS, 'rate = {requests = 600, per = "1m"}'):
        return None
    requests = fields.number((*path, "requests"), table["requests"], NUMBER_MAX)
    per = table["per"]
    span = parse_duration(per) if isinstance(per, str) else None
    if span is None or not RATE_SPAN_MIN <= span <= RATE_SPAN_MAX:
        hint = None if span is not None else duration_hint(str(per)[:40])
        fields.wrong(UNFIT_VALUE, (*path, "per"), "per is a span from 1s to 24h, such as 1m", hint)
        return None
    return None if requests is None else Rate(requests=requests, per_ms=round(span.total_seconds() * 1000))


def _quota(fields: Fields, path: Path, value: Json) -> Quota | None:
    table = fields.table(path, value, QUOTA_KEYS, "a quota")
    if not fields.required(path, table, ("jobs", "per"), 'quota = {jobs = 1000, per = "month"}'):
        return None
    jobs = fields.number((*path, "jobs"), table["jobs"], NUMBER_MAX)
    per = fields.word((*path, "per"), table["per"], tuple(Per))
    zone = table.get("zone", "UTC")
    if not _is_zone(zone):
        fields.wrong(UNFIT_VALUE, (*path, "zone"), "there is no such time zone", "write one like Europe/Berlin, or UTC")
        return None
    return None if jobs is None or per is None else Quota(jobs=jobs, per=Per(per), zone=zone)


def _weight(fields: Fields, path: Path, value: Json) -> float | None:
    if type(value) in (int, float) and WEIGHT_MIN <= value <= WEIGHT_MAX:
        return float(value)
    fields.wrong(UNFIT_VALUE, path, f"weight is a number from {WEIGHT_MIN} to {WEIGHT_MAX}")
    return None


def _is_zone(zone: Json) -> bool:
    try:
        return isinstance(zone, str) and local_time(datetime(2026, 1, 1, tzinfo=UTC), zone) is not None
    except EvaluationError:
        return False


def _labels(fields: Fields, path: Path, value: Json) -> dict[str, str] | None:
    if not isinstance(value, dict) or len(value) > LABELS_MAX:
        fields.wrong(UNFIT_VALUE, path, f"labels is a table of at most {LABELS_MAX} texts")
        return None
    for name, text in value.items():
        if not isinstance(text, str) or max(len(name), len(text)) > TEXT_MAX:
            fields.wrong(UNFIT_VALUE, (*path, name), f"a label is a text of at most {TEXT_MAX} characters")
            return None
    return dict(value)
