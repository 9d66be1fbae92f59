"""Read the whole state of a Redis store in the shape of dump.py, for tests and `doctor`.

It scans and takes its time; nothing else in the store does. Others may write between its reads: a dump of a live store
is a help for people, not a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import orjson

from avtomat.storage.port.rules import ENDED as ENDED_WORDS
from avtomat.storage.port.rules import ROOT, covers
from avtomat.storage.port.store import ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.proof.dump import (
    AttemptDump,
    DueDump,
    Dump,
    EndedAttemptDump,
    JobDump,
    JoinDump,
    MailDump,
    ScopeDump,
    due_order,
    shown,
    shown_or_none,
)
from avtomat.storage.redis.answers import ENDED, FIXED, JOB, SCOPE, TASK, entry_of, fields_of, number, pairs, record
from avtomat.storage.redis.backend import RedisBackend
from avtomat.storage.redis.script import load_script

FORK: Final = fields_of("FORK", "closing")
KEYS_AT_ONCE: Final = 1_000
LETTERS: Final = {"w": "timer", "b": "begin", "d": "deadline", "s": "start", "m": "mail"}


async def dump(backend: RedisBackend, prefixes: Sequence[str], now_ms: int) -> Dump:
    """The whole state of the partitions with these prefixes."""
    parts = [await _read(backend, prefix, now_ms) for prefix in prefixes]
    jobs = {name: _Job(part, name).dump() for part in parts for name in part.names("j:")}
    return Dump(
        jobs=dict(sorted(jobs.items())),
        open=sorted(name for part in parts for name in part.open_index()),
        keys=sorted(entry for part in parts for entry in part.client_keys()),
        queues={f"{place} {name}": ids for place, part in enumerate(parts) for name, ids in part.queues()},
        due=sorted((member for part in parts for member in part.due()), key=due_order),
        post={str(place): part.post() for place, part in enumerate(parts)},
        programs=sorted({digest for part in parts for digest in part.hash("pg")}),
        counters=sorted(counter for part in parts for counter in part.counters()),
        workers=parts[0].workers(),
    )


async def _read(backend: RedisBackend, prefix: str, now_ms: int) -> _Part:
    pattern, keys, cursor = f"{prefix}*", set[str](), 0
    while True:
        reply = await backend.execute("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        cursor, keys = int(reply[0]), keys | {key.decode() for key in reply[1]}
        if not cursor:
            break
    script, names, replies = load_script("read_key"), list(keys), list[Any]()
    for at in range(0, len(names), KEYS_AT_ONCE):  # each call has a deadline, all of them together would miss it
        some = names[at : at + KEYS_AT_ONCE]
        replies += await asyncio.gather(*(backend.call(script, (prefix,), ("0", key)) for key in some))
    return _Part({key.removeprefix(prefix): reply[1] for key, reply in zip(names, replies, strict=True)}, now_ms)


class _Part:
    """The keys of a partition, without its prefix, with their flat content."""

    def __init__(self, keys: Mapping[str, list[bytes]], now_ms: int) -> None:
        self.keys = keys
        self.now_ms = now_ms

    def names(self, prefix: str) -> list[str]:
        """What follows this prefix in the names of keys."""
        return sorted(key.removeprefix(prefix) for key in self.keys if key.startswith(prefix))

    def hash(self, key: str) -> dict[str, bytes]:
        """A hash; empty when it is not there."""
        return {field.decode(): value for field, value in pairs(self.keys.get(key, []))}

    def scores(self, key: str) -> dict[str, int]:
        """A sorted set, in its order."""
        return {member.decode(): int(float(score)) for member, score in pairs(self.keys.get(key, []))}

    def members(self, key: str) -> list[str]:
        """A set or a list."""
        return [member.decode() for member in self.keys.get(key, [])]

    def scope(self, ref: str) -> dict[str, bytes]:
        """The hash in which a scope is."""
        job, _, path = ref.partition("/")
        return self.hash(f"s:{ref}" if path else f"j:{job}")

    def task(self, ref: str) -> dict[str, str]:
        """The open attempt of a scope."""
        return _scope_and_task(self.scope(ref)["v"])[1]

    def open_index(self) -> Iterator[str]:
        """The jobs in the indexes of open words."""
        for index in self.names("ib:"):
            if index.partition(":")[0] not in ENDED_WORDS:
                yield from self.scores(f"ib:{index}")

    def client_keys(self) -> Iterator[list[str]]:
        """Client, key, job."""
        for field, job in self.hash("ik").items():
            client, _, key = field.partition("\n")
            yield [client, key, job.decode()]

    def queues(self) -> Iterator[tuple[str, list[str]]]:
        """Queues that are not empty."""
        lines: dict[str, dict[str, int]] = {}
        for name in self.names("q:"):
            lines.setdefault(name.partition("\n")[0], {}).update(self.scores(f"q:{name}"))
        for queue, places in sorted(lines.items()):
            yield queue, [self.task(ref)["id"] for ref in sorted(places, key=places.__getitem__)]

    def due(self) -> Iterator[DueDump]:
        """Due members, those of parked jobs included."""
        aside = (self.scores(f"pk:{job}") for job in self.names("pk:"))
        for scores in (self.scores("d"), *aside):
            for member, at_ms in scores.items():
                if member[0] != "q":
                    yield self._member(member, at_ms)

    def _member(self, member: str, at_ms: int) -> DueDump:
        letter, ref = member[0], member[1:]
        job, slash, rest = ref.partition("/")
        kind, path, count = LETTERS.get(letter, ""), slash + rest or ROOT, 0
        if letter == "t":
            task = self.task(ref)
            kind, count = task["due_kind"], int(task["attempt"])
        elif letter == "r":
            ended = record(ENDED, self.keys[f"e:{ref}"][0])
            kind, job, path, count = "dead", ref.partition("-")[0], ended["path"], int(ended["attempt"])
        elif letter == "w":
            count = int(record(SCOPE, self.scope(ref)["v"])["timer_visit"])
        returned = int(self.hash("dr").get(member, b"0"))
        return DueDump(kind=kind, job=job, path=path, number=count, at_ms=at_ms, returned=returned)

    def post(self) -> list[list[str]]:
        """Post, oldest first: to which job, mail id."""
        packed = self.hash("pb")
        return [[packed[mail_id].split(b"\n")[0].decode(), mail_id] for mail_id in self.scores("po")]

    def counters(self) -> Iterator[list[str]]:
        """Client, period, what is taken, of counters that have not ended."""
        taken = self.hash("ct")
        for name, until_ms in self.scores("ce").items():
            if until_ms > self.now_ms:
                yield [*name.split("\n"), taken.get(name, b"0").decode()]

    def workers(self) -> dict[str, list[str | None]]:
        """Live workers."""
        records, usages = self.hash("w"), self.hash("wu")
        live = sorted(name for name, until in self.scores("we").items() if until > self.now_ms)
        return {name: [shown(records[name]), shown_or_none(usages.get(name))] for name in live}


class _Job:
    """A job of a partition, to be shown."""

    def __init__(self, part: _Part, name: str) -> None:
        self.part = part
        self.name = name
        self.kept = part.hash(f"j:{name}")
        self.head = record(JOB, self.kept["m"])
        self.fixed = record(FIXED, self.kept["f"])
        self.paths = [ROOT, *(ref[len(name) :] for ref in part.names("s:") if ref.startswith(f"{name}/"))]
        self.hashes = {path: part.scope(name + path) for path in self.paths}

    def dump(self) -> JobDump:
        """All of it."""
        head, fixed, kept = self.head, self.fixed, self.kept
        finished_ms = number(head["finished"])
        closed = self._closed()
        return JobDump(
            client=fixed["client"],
            blueprint=fixed["blueprint"],
            digest=fixed["digest"],
            head=shown(kept["h"]),
            status=head["status"],
            state=head["state"],
            key=fixed["named"] or None,
            body_hash=fixed["body_hash"],
            parent=fixed["parent"] or None,
            created_ms=int(head["created"]),
            updated_ms=int(head["updated"]),
            finished_ms=finished_ms,
            leaves_ms=None if finished_ms is None else finished_ms + int(fixed["retention"]),
            deadline_ms=number(head["deadline"]),
            seq=int(head["seq"]),
            search=dict(sorted(orjson.loads(kept["x"]).items())) if "x" in kept else {},
            labels=shown_or_none(kept.get("l")),
            reason=shown_or_none(kept.get("r")),
            result=shown_or_none(self._result()),
            error=shown_or_none(kept.get("E")),
            live_leases=int(head["live"] or 0),
            scopes={path: self._scope(path, scope) for path, scope in sorted(self.hashes.items())},
            closed=closed,
            joins=self._joins(closed),
            attempts={task["id"]: self._attempt(path, task) for path, task in self._tasks()},
            ended_attempts=self._ended_attempts(),
            kept_signals=self._kept_signals(),
            mail_ids=sorted(self.part.members(f"mi:{self.name}")),
            mail_counts=self._mail_counts(),
            values={name: shown(value) for name, value in sorted(self.part.hash(f"v:{self.name}").items())},
            undos=dict(self._undos()),
            history=[self._entry(seq) for seq in range(1, int(head["seq"]) + 1)] if "1" in kept else None,
        )

    def _result(self) -> bytes | None:
        rest, places, kind, where = self.kept.get("R"), *self._place_of_result()
        if rest is None or not places:
            return rest
        if kind == "s":
            first, last = map(int, where)
            shared = self.kept["s"][first - 1 : last]
        else:
            values = self.part.hash(f"v:{self.name}")
            shared = b"".join(values[name] for name in where)
        bounds = [0, *places, len(rest)]
        return shared.join(rest[start:end] for start, end in pairwise(bounds))

    def _place_of_result(self) -> tuple[list[int], str, list[str]]:
        places, _, where = self.kept.get("Q", b"").decode().partition("\n")
        return [int(place) for place in places.split(",") if place], where[:1], where[1:].split("\n")

    def _entry(self, seq: int) -> list[int | str]:
        entry = entry_of(self.name, seq, self.kept[str(seq)])
        return [entry.seq, entry.at_ms, entry.path, entry.cause, shown(entry.record)]

    def _scope(self, path: str, scope: Mapping[str, bytes]) -> ScopeDump:
        kept = record(SCOPE, scope["v"])
        ref = self.name + path
        letters, returned = self.part.hash(f"mb:{ref}"), self.part.hash(f"mr:{ref}")
        return ScopeDump(
            version=int(kept["version"]),
            visit=int(kept["visit"]),
            record=shown(scope["s"]),
            task=_scope_and_task(scope["v"])[1].get("id"),
            signal=scope["g"].decode().split("\n")[:2] if "g" in scope else None,
            mail=[_mail(one, letters[one], returned.get(one, b"0")) for one in self._mailbox(ref)],
        )

    def _mailbox(self, ref: str) -> list[str]:
        arrived = self.part.scores(f"mo:{ref}") | self.part.scores(f"mp:{ref}")
        return sorted(arrived, key=arrived.__getitem__)

    def _tasks(self) -> Iterator[tuple[str, dict[str, str]]]:
        for path, scope in sorted(self.hashes.items()):
            task = _scope_and_task(scope["v"])[1]
            if task:
                yield path, task

    def _attempt(self, path: str, task: Mapping[str, str]) -> AttemptDump:
        scope = self.hashes[path]
        return AttemptDump(
            path=path,
            visit=int(task["visit"]),
            attempt=int(task["attempt"]),
            queue=task["queue"],
            priority=int(task["priority"]),
            body=shown(scope["b"]),
            phase=task["phase"],
            worker=task["worker"] or None,
            lease_until_ms=number(task["lease_until"]),
            progress=shown_or_none(scope.get("p")),
            undoable=task.get("undoable") == "1",
        )

    def _ended_attempts(self) -> dict[str, EndedAttemptDump]:
        names = [f"{self.name}-{rest}" for rest in self.part.names(f"e:{self.name}-")]
        records = {name: record(ENDED, self.part.keys[f"e:{name}"][0]) for name in names}
        left = self.part.hash(f"lf:{self.name}")
        return {name: _ended(one, left.get(name)) for name, one in records.items() if self._is_remembered(one)}

    def _is_remembered(self, ended: Mapping[str, str]) -> bool:
        return bool(ended["live"]) or int(ended["at"]) + ENDED_ATTEMPT_KEPT_MS > self.part.now_ms

    def _kept_signals(self) -> list[list[str]]:
        letters = [(mail_id, text.split(b"\n", 5)) for mail_id, text in self.part.hash(f"gb:{self.name}").items()]
        live = [(mail_id, letter) for mail_id, letter in letters if int(letter[1]) > self.part.now_ms]
        live.sort(key=lambda one: int(one[1][2]))
        return [["signal", letter[3].decode(), letter[4].decode(), mail_id] for mail_id, letter in live]

    def _mail_counts(self) -> dict[str, int]:
        counts = sorted(self.part.hash(f"mc:{self.name}").items())
        return {word: int(count) for word, count in counts if count != b"0"}

    def _undos(self) -> Iterator[tuple[str, str]]:
        for text, _ in pairs(self.part.keys.get(f"u:{self.name}", [])):
            seq, _, undo = text.partition(b"\n")
            yield seq.decode(), shown(undo)

    def _forks(self) -> dict[str, dict[str, bytes]]:
        return {fork: self.part.hash(f"k:{self.name}{fork}") for fork in self.part.members(f"ks:{self.name}")}

    def _closed(self) -> list[str]:
        fences = {field[1:] for field in self.kept if field.startswith("!")}
        fences |= {f"{path}.{index}" for path, fork in self._forks().items() for index in fork if index.isdigit()}
        return sorted(fence for fence in fences if not any(covers(other, fence) for other in fences if other != fence))

    def _joins(self, closed: Sequence[str]) -> dict[str, JoinDump]:
        live = {path: fork for path, fork in self._forks().items() if not any(covers(fence, path) for fence in closed)}
        return {path: _join(fork) for path, fork in sorted(live.items())}


def _scope_and_task(packed: bytes) -> tuple[dict[str, str], dict[str, str]]:
    fields = packed.decode().split("\n")[:-1]
    return dict(zip(SCOPE, fields, strict=False)), dict(zip(TASK, fields[len(SCOPE) :], strict=False))


def _ended(one: Mapping[str, str], left: bytes | None) -> EndedAttemptDump:
    return EndedAttemptDump(
        path=one["path"],
        worker=one["worker"],
        why=one["why"],
        hash=one["hash"],
        holds=bool(one["live"]),
        left=shown_or_none(left),
    )


def _mail(mail_id: str, letter: bytes, returned: bytes) -> MailDump:
    kind, *_, body = letter.split(b"\n", 5)
    return MailDump(id=mail_id, kind=kind.decode(), body=shown(body), returned=int(returned))


def _join(fork: Mapping[str, bytes]) -> JoinDump:
    kept = record(FORK, fork["m"])
    ended = {index: output for index, output in fork.items() if index.isdigit()}
    return JoinDump(
        total=int(kept["total"]),
        need=int(kept["need"]),
        tolerated=int(kept["tolerated"]),
        window=int(kept["window"]),
        begun=int(kept["next"]),
        live=int(kept["live"]),
        ok=int(kept["ok"]),
        failed=int(kept["failed"]),
        verdict=kept["verdict"] or None,
        environment=shown(fork["e"]),
        outputs={index: shown(output[1:]) for index, output in sorted(ended.items(), key=_index) if output[:1] == b"1"},
    )


def _index(item: tuple[str, bytes]) -> int:
    return int(item[0])
