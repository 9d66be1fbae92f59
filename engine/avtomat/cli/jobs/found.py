"""Find jobs at an engine: a whole id by itself, its first characters among the newest jobs, lists page by page."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.errors import NotFoundError, UsageError

Json = Any
JOBS: Final = "/api/v1/jobs"
PAGE: Final = 200
ID_CHARACTERS: Final = 26
"""The length of a whole id; anything shorter that looks like one is taken for its beginning."""

PREFIX_CHARACTERS_MIN: Final = 4
JOBS_LOOKED_AT_MAX: Final = 2_000
_SHOWN_MAX: Final = 5


def path_of(api: EngineApi, job: str) -> str:
    """The address of a job. NotFoundError: no recent job begins so; UsageError: several do."""
    if len(job) < PREFIX_CHARACTERS_MIN and set(job) <= set(string.hexdigits):
        raise UsageError(f"{job!r} is too short for an id", hint=f"write at least {PREFIX_CHARACTERS_MIN} characters")
    is_prefix = PREFIX_CHARACTERS_MIN <= len(job) < ID_CHARACTERS and set(job) <= set(string.hexdigits)
    return f"{JOBS}/{quote(_whole(api, job) if is_prefix else job, safe='')}"


def pages(api: EngineApi, path: str, name: str, query: Mapping[str, object]) -> Iterator[Json]:
    """All entries, page after page, asked for as they are needed."""
    cursor = None
    while True:
        page = api.get(path, {"limit": PAGE, **query, "cursor": cursor})
        yield from page[name]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _whole(api: EngineApi, prefix: str) -> str:
    found: list[str] = []
    for number, job in enumerate(pages(api, JOBS, "jobs", {})):
        if job["id"].startswith(prefix.lower()):
            found.append(job["id"])
        if number >= JOBS_LOOKED_AT_MAX or len(found) > _SHOWN_MAX:
            break
    if not found:
        raise NotFoundError(
            f"none of the newest {JOBS_LOOKED_AT_MAX:,} jobs has an id that begins with {prefix}",
            hint="an older job is found by its whole id",
        )
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN_MAX])
        raise UsageError(f"several jobs have ids that begin with {prefix}: {shown}", hint="write more of the id")
    return found[0]
