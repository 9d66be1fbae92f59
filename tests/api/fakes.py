"""Small engines for the tests of the doors: they keep the promises of the real operations, in memory and at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from avtomat.core.messages import OperatorEvent, RerunRequested, ResumeRequested
from avtomat.errors import RequestRefused
from avtomat.runtime.access.keeper import AccessKeeper
from avtomat.runtime.access.limits import Limits
from avtomat.runtime.incoming.hooks import Taken
from avtomat.runtime.jobs.clients import Accepted
from avtomat.runtime.jobs.signals import Signal
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.people import approvals
from avtomat.runtime.people.approvals import Decider
from avtomat.runtime.people.links import Claim
from avtomat.runtime.people.workers import Workers
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.work.polls import Poll
from avtomat.runtime.work.queues import Queues
from avtomat.settings import Settings
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import Query

Json = Any
AT = "2026-01-31T12:00:00Z"


def job_json(job_id: str, asked: Submission, status: str) -> dict[str, Json]:
    return {
        "id": job_id,
        "blueprint": asked.blueprint,
        "version": "d1",
        "status": status,
        "state": "greet",
        "input": asked.input,
        "data": {},
        "outputs": {},
        "result": {"said": "hello"} if status == "finished" else None,
        "error": None,
        "created_at": AT,
        "updated_at": AT,
        "finished_at": AT if status == "finished" else None,
        "labels": dict(asked.labels),
        "priority": asked.priority or 5,
    }


@dataclass
class Clients:
    """Jobs of the blueprint `hello` end at once; those of `slow` never do. `broken` is raised by every submission."""

    submitted: list[Submission] = field(default_factory=list)
    jobs_by_id: dict[str, dict[str, Json]] = field(default_factory=dict)
    ids_by_key: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    queries: list[tuple[Query, str | None]] = field(default_factory=list)
    broken: Exception | None = None

    async def submit(self, asked: Submission, wait_s: float = 0, let_go: Callable[[], None] = lambda: None) -> Accepted:
        if wait_s > 0:
            let_go()
        if self.broken is not None:
            raise self.broken
        if asked.key in self.ids_by_key:
            return self._repeat(asked, self.ids_by_key[asked.key])
        if asked.blueprint not in {"hello", "slow"}:
            raise RequestRefused("there is no such blueprint", status=404, code="blueprint.not_found")
        if asked.input == {"wrong": True}:
            errors = [{"pointer": "/input/wrong", "message": "is not known"}]
            raise RequestRefused("no", status=422, code="input.invalid", pointer="/input/wrong", errors=errors)
        job_id = f"job{len(self.submitted)}"
        self.submitted.append(asked)
        ends = asked.blueprint == "hello" and wait_s > 0
        self.jobs_by_id[job_id] = job_json(job_id, asked, "finished" if ends else "waiting_for_worker")
        if asked.key is not None:
            self.ids_by_key[asked.key], self.hashes[asked.key] = job_id, asked.body_hash
        return self._accepted(job_id, fresh=True)

    def _repeat(self, asked: Submission, job_id: str) -> Accepted:
        if self.hashes[asked.key or ""] != asked.body_hash:
            raise RequestRefused("another body", status=409, code="idempotency.mismatch")
        return self._accepted(job_id, fresh=False)

    def _accepted(self, job_id: str, *, fresh: bool) -> Accepted:
        job = self.jobs_by_id[job_id]
        ended = job if job["status"] == "finished" else None
        return Accepted(
            job_id=job_id, fresh=fresh, status=job["status"], blueprint=job["blueprint"], version="d1", ended=ended
        )

    async def job(self, job_id: str, client: str | None, wait_s: float = 0) -> Mapping[str, Json] | None:
        return self.jobs_by_id.get(job_id)

    async def jobs(self, query: Query, word: str | None = None) -> tuple[list[dict[str, Json]], str | None]:
        self.queries.append((query, word))
        found = list(self.jobs_by_id.values())
        start = int(query.cursor or 0)
        end = start + query.limit
        return found[start:end], str(end) if end < len(found) else None

    async def history(self, job_id: str, client: str | None, after: int, limit: int) -> list[dict[str, Json]] | None:
        if job_id not in self.jobs_by_id:
            return None
        entries = [
            {"seq": 1, "at": AT, "scope": "/", "cause": "create", "type": "JobCreated"},
            {"seq": 2, "at": AT, "scope": "/", "cause": "result 1", "type": "TaskSucceeded"},
        ]
        return entries[after : after + limit]

    async def tasks(self, job_id: str, client: str | None) -> list[dict[str, Json]] | None:
        if job_id not in self.jobs_by_id:
            return None
        return [{"task_id": "t1", "kind": "greet", "attempt": 1, "phase": "leased", "worker": "w1", "since": AT}]

    def blueprints(self) -> list[dict[str, Json]]:
        return [{"name": "hello", "version": "d1"}]

    def blueprint(self, name: str) -> dict[str, Json] | None:
        return {"name": "hello", "version": "d1"} if name == "hello" else None


@dataclass
class Operators:
    """Cancels jobs at once, notes every other request, and refuses to resume."""

    clients: Clients
    requests: list[OperatorEvent] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    compensates: list[bool] = field(default_factory=list)

    async def cancel(
        self,
        job_id: str,
        client: str | None,
        by: str,
        reason: str = "",
        *,
        compensate: bool = True,
        key: str | None = None,
    ) -> Mapping[str, Json] | None:
        self.keys.append(key)
        job = self.clients.jobs_by_id.get(job_id)
        if job is not None:
            self.compensates.append(compensate)
            job.update(status="cancelled", error={"code": "CANCELLED", "message": f"{by}: {reason}"})
        return job

    async def operate(
        self, job_id: str, client: str | None, event: OperatorEvent, key: str | None = None
    ) -> Mapping[str, Json] | None:
        self.keys.append(key)
        if isinstance(event, ResumeRequested):
            raise RequestRefused("nothing was changed: the job is not paused", status=409, code="job.state", hint="no")
        self.requests.append(event)
        return self.clients.jobs_by_id.get(job_id)

    async def rerun(
        self, job_id: str, client: str | None, event: RerunRequested, key: str | None = None
    ) -> Accepted | Mapping[str, Json] | None:
        job = self.clients.jobs_by_id.get(job_id)
        if job is None or job["status"] != "cancelled":
            return await self.operate(job_id, client, event, key)
        fresh = key is None or key not in self.keys
        self.keys.append(key)
        return Accepted(job_id="job9", fresh=fresh, status="pending", blueprint=job["blueprint"], version="d1")


@dataclass
class Explainer:
    """Knows one cause."""

    clients: Clients

    async def why(self, job_id: str, client: str | None) -> Mapping[str, Json] | None:
        if job_id not in self.clients.jobs_by_id:
            return None
        cause = {"scope": "/", "state": "greet", "cause": "no_worker", "text": "no worker does greet", "details": {}}
        return {"job_id": job_id, "status": "waiting_for_worker", "causes": [{**cause, "hint": "start a worker"}]}


@dataclass
class Signals:
    """Takes the signal `paid` for every job, each id of a sender once, and notes it."""

    clients: Clients
    taken: list[tuple[Signal, str]] = field(default_factory=list)

    async def send(self, job_id: str, client: str | None, signal: Signal, by: str) -> bool | None:
        if job_id not in self.clients.jobs_by_id:
            return None
        if signal.name != "paid":
            raise RequestRefused("there is no such signal", status=404, code="signal.not_found")
        fresh = not signal.id or all((one.id, sender) != (signal.id, by) for one, sender in self.taken)
        self.taken.append((signal, by))
        return fresh


@dataclass
class Hooks:
    """Takes the requests of every hook whose header X-Token is right, and notes them."""

    taken: list[tuple[str, str, Json]] = field(default_factory=list)

    def admit(self, blueprint: str, name: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        if headers.get("x-token") != "right":
            raise RequestRefused("that is not the token", status=401, code="hook.signature")
        return blueprint, name

    async def take(self, admitted: tuple[str, str], body: Json) -> Taken:
        self.taken.append((*admitted, body))
        return Taken(status="accepted", job_id="00" + "a" * 24)


@dataclass
class Approvals:
    """Asks whether the state `ok` of every job is all right, and notes what was decided. No link is one of it."""

    clients: Clients
    taken: list[tuple[str, approvals.Answer, Decider]] = field(default_factory=list)

    async def open_of(
        self, job_id: str, client: str | None, reader: Decider, *, links: bool = False
    ) -> dict[str, Json] | None:
        if job_id not in self.clients.jobs_by_id:
            return None
        asked: dict[str, Json] = {
            "job_id": job_id,
            "blueprint": "greet",
            "state": "ok",
            "scope": "/",
            "visit": 1,
            "text": "all right?",
            "choices": ["approve", "reject"],
            "form": None,
            "assignees": [reader.name],
            "since": "2026-01-31T23:00:00Z",
            "deadline": None,
            "reminders": 0,
        }
        if links:
            asked["links"] = {reader.name: "/approve/token"}
        return {"job_id": job_id, "approvals": [asked], "complete": True}

    async def decide(
        self, job_id: str, client: str | None, name: str, answer: approvals.Answer, by: Decider
    ) -> dict[str, Json] | None:
        if job_id not in self.clients.jobs_by_id:
            return None
        self.taken.append((name, answer, by))
        told = {"job_id": job_id, "state": name, "scope": "/", "visit": 1, "choice": answer.choice, "by": by.name}
        return {**told, "status": "decided", "decided_at": "2026-01-31T23:00:00Z"}

    def claim(self, token: str) -> Claim | None:
        return None


@dataclass
class Dispatcher:
    """Hands out what lies in `tasks`, waiting for it; tells what it was asked."""

    tasks: asyncio.Queue[dict[str, Json]] = field(default_factory=asyncio.Queue)
    workers: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    heartbeats: list[Mapping[str, Json]] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    polling: asyncio.Event = field(default_factory=asyncio.Event)
    claim: asyncio.Event = field(default_factory=asyncio.Event)
    gone: list[bool] = field(default_factory=list)
    released: asyncio.Queue[tuple[str, list[str]]] = field(default_factory=asyncio.Queue)
    results: list[Mapping[str, Json]] = field(default_factory=list)
    events: asyncio.Queue[Mapping[str, Json]] = field(default_factory=asyncio.Queue)
    sends: dict[str, Callable[[Mapping[str, Json]], None]] = field(default_factory=dict)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[str, str] = field(default_factory=dict)
    nameless: int = 0
    holds_results: bool = False
    broken: Exception | None = None

    async def register(self, body: Mapping[str, Json]) -> None:
        self.workers[body["worker_id"]] = body

    async def heartbeat(self, worker: str, body: Mapping[str, Json]) -> dict[str, Json] | None:
        self.heartbeats.append(body)
        return {"status": "ok"} if worker in self.workers else None

    async def poll(self, asked: Poll, gone: Callable[[], bool]) -> list[dict[str, Json]]:
        if self.broken is not None:
            raise self.broken
        self.polls.append(asked)
        if asked.timeout_s == 0:
            return []
        self.polling.set()
        task = await self.tasks.get()
        self.gone.append(gone())
        return [task]

    async def release(self, worker: str, task_ids: list[str]) -> None:
        await self.released.put((worker, task_ids))

    async def result(self, body: Mapping[str, Json]) -> dict[str, Json]:
        if self.broken is not None:
            raise self.broken
        self.results.append(body)
        if body["task_id"] == "late":
            return {"status": "ignored", "reason": "stale_task"}
        return {"status": "accepted"}

    async def result_and_next(
        self, body: Mapping[str, Json], asked: Poll, gone: Callable[[], bool]
    ) -> tuple[dict[str, Json], list[dict[str, Json]]]:
        said = await self.result(body)
        self.polls.append(asked)
        self.polling.set()
        if self.holds_results:
            await self.claim.wait()
        self.gone.append(gone())
        return said, [self.tasks.get_nowait() for _ in range(min(asked.tasks_max, self.tasks.qsize()))]

    async def event(self, body: Mapping[str, Json]) -> None:
        await self.events.put(body)

    def connect(self, worker: str, send: Callable[[Mapping[str, Json]], None]) -> None:
        self.sends[worker] = send
        self.connected.set()

    def disconnect(self, worker: str, send: Callable[[Mapping[str, Json]], None]) -> None:
        del self.sends[worker]

    def connect_nameless(self, send: Callable[[Mapping[str, Json]], None], is_for: Callable[[str], bool]) -> None:
        self.nameless += 1

    def disconnect_nameless(self, send: Callable[[Mapping[str, Json]], None]) -> None:
        self.nameless -= 1

    def holder(self, task_id: str) -> str | None:
        return self.held.get(task_id)

    def kinds_polled(self) -> dict[str, tuple[str, ...]]:
        return {}

    def leaving(self) -> dict[str, str]:
        return {}


@dataclass
class Schedules:
    """Takes down what is asked of schedules; there is one, `nightly` of `hello`."""

    taken: list[tuple[str, ...]] = field(default_factory=list)

    async def list(self, blueprint: str | None = None) -> list[dict[str, Json]]:
        return [await self.show("hello", "nightly")] if blueprint in (None, "hello") else []

    async def show(self, blueprint: str, name: str) -> dict[str, Json]:
        if (blueprint, name) != ("hello", "nightly"):
            raise RequestRefused("there is no such schedule", status=404, code="schedule.not_found")
        shown = {"blueprint": "hello", "name": "nightly", "cron": "0 2 * * *", "timezone": "UTC", "input": {}}
        fixed = {"overlap": "skip", "catch_up": "none", "jitter": None, "paused": None}
        return {**shown, **fixed, "next": [], "waiting": [], "open": [], "runs": []}

    async def pause(self, blueprint: str, name: str, by: str, reason: str = "") -> dict[str, Json]:
        self.taken.append(("pause", by, reason))
        return await self.show(blueprint, name)

    async def resume(self, blueprint: str, name: str) -> dict[str, Json]:
        self.taken.append(("resume",))
        return await self.show(blueprint, name)

    async def trigger(self, blueprint: str, name: str, by: str, key: str | None = None) -> tuple[str, bool]:
        self.taken.append(("trigger", by))
        await self.show(blueprint, name)
        return "job1", True


class Webhooks:
    """Nothing is sent of any job."""

    async def page(self, query: Any, *, endpoint: str | None, status: str | None) -> tuple[list[Json], None]:
        return [], None

    async def show(self, webhook_id: str, client: str | None) -> None:
        return None

    async def resend(self, webhook_id: str, client: str | None, key: str | None) -> None:
        return None


@dataclass
class FakeEngine:
    """What the doors need of an engine."""

    settings: Settings = field(default_factory=Settings)
    clients: Clients = field(default_factory=Clients)
    operators: Operators = field(init=False)
    explainer: Explainer = field(init=False)
    signals: Signals = field(init=False)
    approvals: Approvals = field(init=False)
    schedules: Schedules = field(default_factory=Schedules)
    dispatcher: Dispatcher = field(default_factory=Dispatcher)
    hooks: Hooks = field(init=False)
    programs: Any = None
    webhooks: Any = field(default_factory=Webhooks)
    store: Any = field(default_factory=MemoryStore)
    reasons: dict[str, Json] = field(default_factory=dict)
    problems: list[Json] = field(default_factory=list)
    restored: list[tuple[str, str]] = field(default_factory=list)
    access: AccessKeeper = field(default_factory=lambda: AccessKeeper(None, None, environ={}))
    limits: Limits = field(init=False)
    workers: Workers = field(init=False)
    trust: Trust = field(init=False)

    def __post_init__(self) -> None:
        self.limits = Limits(MemoryStore(), lambda: self.access.current, embedded=True)
        self.trust = Trust(MemoryStore(), Queues(1), self.settings, Counter())
        self.workers = Workers(MemoryStore(), cast("Any", self.dispatcher), self.trust.reputations)
        self.operators = Operators(self.clients)
        self.explainer = Explainer(self.clients)
        self.signals = Signals(self.clients)
        self.hooks = Hooks()
        self.approvals = Approvals(self.clients)

    def readiness(self) -> tuple[bool, dict[str, Json]]:
        return not self.reasons, self.reasons

    def reload_problems(self) -> list[Json]:
        return self.problems

    async def restore(self, name: str, digest: str) -> None:
        self.restored.append((name, digest))
