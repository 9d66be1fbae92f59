"""Read a store that no engine uses any more, and say whether it kept every promise about the jobs in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from avtomat.runtime.opening import open_store
from avtomat.settings import Settings
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.port.rules import ENDED
from avtomat.storage.proof.dump import Dump, JobDump
from avtomat.storage.proof.invariants import violations

Json = Any


async def dump_of(url: str) -> Dump:
    """The whole store."""
    store = open_store(Settings(store=url))
    await store.open(Wakeups(queue=lambda *_: None, job=lambda _: None, lost=lambda: None))
    try:
        return cast("Dump", await store.dump())
    finally:
        await store.close()


async def audit(url: str, accepted: Mapping[str, int], *, attempts_max: int, may_fail: Collection[str] = ()) -> None:
    """Fail with everything that is wrong after the jobs `accepted` (id → the number that it was to echo).

    All of them, and no others, are there and have ended once, with the right result (or with one of the errors
    `may_fail`), used at most one result, took at most `attempts_max` attempts; and the store keeps its invariants.
    """
    dump = await dump_of(url)
    found = violations(dump)
    found += [f"{job} is lost" for job in accepted.keys() - dump["jobs"].keys()]
    found += [f"{job} was never accepted" for job in dump["jobs"].keys() - accepted.keys()]
    for name, job in dump["jobs"].items():
        faults = _faults(job, accepted.get(name), attempts_max, may_fail)
        found += [f"{name}: {fault}" for fault in faults]
    assert not found, f"{len(found)} findings, the first: " + "\n".join(found[:20])


async def audit_sagas(url: str, accepted: Mapping[str, int]) -> None:
    """Fail with everything that is wrong after jobs of the blueprint `saga`, those with odd numbers undone.

    Each used one result for each of its tasks and for each undo, and none is left to be undone.
    """
    dump = await dump_of(url)
    found = violations(dump)
    found += [f"{job} is lost" for job in accepted.keys() ^ dump["jobs"].keys()]
    for name, job in dump["jobs"].items():
        found += [f"{name}: {fault}" for fault in _faults_of_saga(job, accepted.get(name, 0))]
    assert not found, f"{len(found)} findings, the first: " + "\n".join(found[:20])


def _faults_of_saga(job: JobDump, number: int) -> Iterator[str]:
    history = [(entry[2], json.loads(str(entry[4]))) for entry in job["history"] or ()]
    used = sum(entry["type"] == "TaskSucceeded" for _, entry in history)
    if (ends := sum("ended" in entry for path, entry in history if path == "/")) != 1:
        yield f"ended {ends} times"
    if number % 2:
        told, wanted = (job["status"], json.loads(job["error"] or "{}").get("code"), used), ("failed", "ODD", 9 + 5)
    else:
        result = {"number": number, "items": [0, 10, 20, 30]}
        told, wanted = (job["status"], json.loads(job["result"] or "null"), used), ("finished", result, 9)
    if told != wanted:
        yield f"is {told}, not {wanted}"
    if job["undos"]:
        yield f"has the undos {job['undos']} left"


ENDINGS = ("finished", None), ("failed", "NOPE"), ("cancelled", None), ("failed", "DEADLINE")
"""How a job of the blueprint `endings` ends, by the rest of its number."""

SUNK = {"fails": [[1, "1"], [3, "3"], [5, "5"]], "count": 3}


async def audit_endings(url: str, accepted: Mapping[str, int]) -> None:
    """Fail with everything that is wrong after jobs of the blueprint `endings`: each ended as it was to end, after its
    `finally` had run once and seen that, and told right what had failed.
    """
    dump = await dump_of(url)
    found = violations(dump)
    found += [f"{job} is lost" for job in accepted.keys() ^ dump["jobs"].keys()]
    for name, job in dump["jobs"].items():
        found += [f"{name}: {fault}" for fault in _faults_of_ending(job, accepted.get(name, 0))]
    assert not found, f"{len(found)} findings, the first: " + "\n".join(found[:20])


def _faults_of_ending(job: JobDump, number: int) -> Iterator[str]:
    history = [(entry[2], json.loads(str(entry[4]))) for entry in job["history"] or ()]
    changes = [(path, entry.get("set") or {}) for path, entry in history]
    ended = job["status"], json.loads(job["error"] or "{}").get("code")
    if ended != (wanted := ENDINGS[number % 4]):
        yield f"is {ended}, not {wanted}"
    if (ends := sum("ended" in entry for path, entry in history if path == "/")) != 1:
        yield f"ended {ends} times"
    begun = [path for path, changed in changes if changed.get("machine") == "(finally)"]
    done = [path for path, entry in history if path in begun and entry["type"] == "TaskSucceeded"]
    if (len(begun), len(done)) != (1, 1):
        yield f"its finally began {len(begun)} times and was done {len(done)} times"
    seen = [changed["data"]["seen"] for path, changed in changes if path in begun and "data" in changed]
    if seen != [job["status"]]:
        yield f"its finally saw {seen}, it is {job['status']}"
    told = [changed["data"] for path, changed in changes if path == "/" and "fails" in changed.get("data", ())]
    if told not in ([SUNK], [] if number % 4 > 1 else [SUNK]):
        yield f"its failures were {told}"


def sqlite_url(folder: Path) -> str:
    """The store that an engine in this folder has by default."""
    return f"sqlite:///{folder / 'avtomat.db'}"


def attempts_of(history: list[Json]) -> list[int]:
    """The numbers of the attempts that history tells of, in order."""
    return [entry["dispatch"]["attempt"] for entry in history if "dispatch" in entry]


def _faults(job: JobDump, number: int | None, attempts_max: int, may_fail: Collection[str]) -> Iterator[str]:
    if job["status"] not in ENDED:
        yield f"is stuck as {job['status']}"
        return
    history = [json.loads(str(entry[4])) for entry in job["history"] or ()]
    if (ends := sum("ended" in entry for entry in history)) != 1:
        yield f"ended {ends} times"
    if (used := sum(entry["type"] == "TaskSucceeded" for entry in history)) > 1:
        yield f"used {used} results"
    attempts = attempts_of(history)
    if attempts != list(range(1, len(attempts) + 1)) or len(attempts) > attempts_max:
        yield f"took the attempts {attempts}, allowed are {attempts_max}"
    if job["status"] == "finished":
        if json.loads(job["result"] or "null") != number:
            yield f"has the result {job['result']}, not {number}"
    elif json.loads(job["error"] or "{}").get("code") not in may_fail:
        yield f"is {job['status']}: {job['error']}"
