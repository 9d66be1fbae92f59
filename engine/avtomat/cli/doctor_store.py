"""Look at the store without changing it: is it there, is it fit, and what could it lose?"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from avtomat.blueprint.files import is_folder, is_there
from avtomat.cli.finding import Finding, error, ok, warning
from avtomat.setting_kinds import show_url
from avtomat.settings import Settings
from avtomat.storage.sqlite.errors import CORRUPT_HINT
from avtomat.storage.sqlite.format import aside, older_format, refused

if TYPE_CHECKING:
    from redis import Redis

ANSWER_TIMEOUT_S: Final = 5
REDIS_MIN: Final = (6, 2)

Info = Mapping[str, Any]


def store_findings(settings: Settings) -> Iterator[Finding]:
    """What is to be said about the store that the settings name."""
    if settings.sqlite_path is not None:
        yield from _sqlite(settings.sqlite_path)
    elif settings.embedded:
        yield warning("the store is memory: every job is forgotten when the engine ends")
    else:
        yield from _redis(settings)


def _sqlite(path: Path) -> Iterator[Finding]:
    if not is_there(path):
        yield from _sqlite_to_be(path)
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            older = older_format(database) if found == "ok" else None
    except sqlite3.Error as problem:
        yield error(f"{path} cannot be read as an SQLite database: {problem}")
        return
    if found != "ok":
        yield error(f"{path} is damaged: {' '.join(found.split())}", hint=CORRUPT_HINT)
    if older is not None:
        yield _sqlite_older(path, *older)
    if tables and "avtomat_meta" not in tables:
        yield error(f"{path} is a database of another program", hint="give the store a file of its own")
    if not os.access(path, os.W_OK) or not os.access(path.absolute().parent, os.W_OK):
        yield error(f"{path} or its folder is not writable", hint="the engine writes a -wal and a -shm file beside it")
    told = f"SQLite {sqlite3.sqlite_version}: {path} with {len(tables)} tables"
    yield ok(f"{told}; nothing acknowledged is lost on power loss")


def _sqlite_older(path: Path, number: int, open_jobs: int) -> Finding:
    """What `serve` does with a file of an older format."""
    if open_jobs:
        refusal = refused(path, number, open_jobs)
        return error(refusal.message, hint=refusal.hint)
    name = aside(path, number).name
    return warning(f"{path} has format {number}: it becomes {name} at the next start, and {path} begins anew")


def _sqlite_to_be(path: Path) -> Iterator[Finding]:
    folder = path.absolute().parent
    if is_folder(folder) and os.access(folder, os.W_OK):
        yield ok(f"SQLite {sqlite3.sqlite_version}: {path} is made at the first start")
    else:
        yield error(f"{path} cannot be made: {folder} is not there or not writable")


def _redis(settings: Settings) -> Iterator[Finding]:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    shown = show_url(settings.store)
    try:
        with Redis.from_url(
            settings.store,
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        ) as client:
            info = cast("Info", client.info())
            appendfsync = _appendfsync(client)
    except (RedisError, ValueError, OSError) as problem:
        yield error(f"{shown} cannot be used: {problem}")
        return
    yield from _redis_version(info, shown)
    if int(info.get("cluster_enabled", 0)):
        yield error(
            f"{shown} is a node of a Redis Cluster, which Avtomat does not support",
            hint="use a single Redis or Valkey (with replicas for failover if need be): cluster-enabled no",
        )
    yield from _redis_memory(info)
    yield _redis_loss(info, appendfsync)


def _appendfsync(client: Redis) -> str | None:
    """The server's word, or None where it does not let us ask (managed services rename CONFIG)."""
    from redis.exceptions import ResponseError

    try:
        return cast("dict[str, str]", client.config_get("appendfsync")).get("appendfsync")
    except ResponseError:
        return None


def _redis_version(info: Info, shown: str) -> Iterator[Finding]:
    text = str(info.get("valkey_version") or info["redis_version"])
    version = tuple(map(int, re.findall(r"\d+", str(info["redis_version"]))[:2]))
    name = "Valkey" if "valkey_version" in info else "Redis"
    if version < REDIS_MIN:
        yield error(f"{name} {text} at {shown} is too old", hint="Redis 6.2 or later, or Valkey, is needed")
    else:
        yield ok(f"{name} {text} at {shown}")


def _redis_memory(info: Info) -> Iterator[Finding]:
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        yield error(
            f"maxmemory-policy is {policy}: Redis would evict jobs when its memory is full",
            hint="CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    else:
        yield ok("maxmemory-policy is noeviction")


def _redis_loss(info: Info, appendfsync: str | None) -> Finding:
    failover = "; on failover, what was not yet replicated" if int(info.get("connected_slaves", 0)) else ""
    if not int(info.get("aof_enabled", 0)):
        hint = "CONFIG SET appendonly yes, and the same in redis.conf"
        return warning(f"appendonly is off: a crash loses all since the last snapshot{failover}", hint=hint)
    match appendfsync:
        case "always":
            return ok(f"appendfsync is always: a crash or power loss loses nothing{failover}")
        case "everysec":
            return ok(f"appendfsync is everysec: a crash or power loss can lose the last 1-2 s{failover}")
        case "no":
            return warning(f"appendfsync is no: power loss can lose half a minute{failover}", hint="say everysec")
    return warning(f"appendonly is on, appendfsync cannot be asked: power loss can lose some seconds{failover}")
