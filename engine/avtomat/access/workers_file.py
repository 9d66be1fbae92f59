"""Read workers.toml: which workers there may be, by id or pattern, their tokens, and the kinds of their tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from avtomat.access.fields import Fields, Reading
from avtomat.access.model import WorkerEntry
from avtomat.access.toml import Json, Path, TomlText, read_toml
from avtomat.blueprint.findings.codes_access import UNFIT_VALUE, UNKNOWN_KEY
from avtomat.blueprint.findings.finding import Finding

TOP: Final = ("workers",)
WORKER_KEYS: Final = ("tokens", "kinds", "signing", "exchange")
REQUIRED: Final = "required"
IDS: Final = re.compile(r"[A-Za-z0-9_.*?-]{1,128}", re.ASCII)
KIND: Final = re.compile(r"[A-Za-z0-9_.*?-]{1,128}", re.ASCII)
_OLD_PATTERN: Final = "pattern:"


def read_workers(content: bytes) -> Reading[WorkerEntry]:
    """The file, unless a finding refuses it, and all findings, in its order."""
    text = read_toml(content)
    if isinstance(text, Finding):
        return None, [text]
    fields = Fields(text)
    fields.table((), _without_strangers(fields, text), TOP, "the file")
    hint = "letters, digits, _, - and ., with * and ? in a pattern"
    entries = [*fields.entries("workers", lambda key: None if IDS.fullmatch(key) else hint, "worker")]
    workers = {ids: _worker(fields, ids, path, value) for ids, path, value in entries}
    return fields.outcome(workers)


def _without_strangers(fields: Fields, text: TomlText) -> Mapping[str, Json]:
    """The top of the file without tables that look like workers of Avtomatika, for which there is a better word."""
    strangers = [
        key for key, value in text.value.items() if key not in TOP and isinstance(value, dict) and "token" in value
    ]
    for key in strangers:
        hint = f'write [workers."{key.removeprefix(_OLD_PATTERN)}"], and tokens instead of token'
        fields.wrong_key(UNKNOWN_KEY, (key,), f"{key[:80]!r} is outside the table workers", hint)
    return {key: value for key, value in text.value.items() if key not in strangers}


def _worker(fields: Fields, ids: str, path: Path, value: Json) -> WorkerEntry:
    table = fields.table(path, value, WORKER_KEYS, "a worker")
    fields.read_tokens(ids, path, table)
    must_sign, must_exchange = (_is_required(fields, path, table, name) for name in ("signing", "exchange"))
    entry = WorkerEntry(ids=ids, must_sign=must_sign, must_exchange=must_exchange)
    if "kinds" not in table:
        return entry
    what = "names of kinds of tasks, in which * and ? stand for other characters"
    return replace(entry, kinds=fields.texts((*path, "kinds"), table["kinds"], KIND, what))


def _is_required(fields: Fields, path: Path, table: Mapping[str, Json], name: str) -> bool:
    if name in table and table[name] != REQUIRED:
        fields.wrong(UNFIT_VALUE, (*path, name), f'{name} is "{REQUIRED}", or is left out')
    return table.get(name) == REQUIRED
