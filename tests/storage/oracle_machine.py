"""Do the same random things to the oracle and to another store, and compare them after every step.

Choices are made on what the oracle holds, so most of them mean something; late, repeated and foreign ones are mixed in.
Hypothesis decides how many steps there are and what each is seeded with; the step itself is chosen by its weight,
because a walk must go deep before anything interesting can happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from random import Random
from typing import Any, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from avtomat.storage.port.answers import Delivered, Due, Page, Query, Wakeups
from avtomat.storage.port.rules import PARKED, ROOT, parent_of
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Cause, DueCause, HeadChange, Mail, MailCause, NewJob, Post, ResultCause, Writes
from avtomat.storage.proof.dump import Dump, JobDump
from avtomat.storage.proof.invariants import changes, violations
from tests.storage.comparing import differences, none_of, plain, plain_due, plain_dump
from tests.storage.oracle_choices import LEASE_MS, MANY, STATUSES, STEP_MS, WORKERS, Choices, chance
from tests.storage.world import Clock

Answer = TypeVar("Answer")

REARM_MS = 5_333
RETENTION_MS = 404_000
DISMISSIBLE = frozenset({"queue", "attempt", "total", "deadline"})
WEIGHTS = {
    "create": 8,
    "commit_result": 14,
    "commit_mail": 10,
    "commit_due": 12,
    "commit_begin": 10,
    "deliver": 8,
    "operate": 5,
    "quarantine": 2,
    "dismiss": 3,
    "poll": 14,
    "speak_of_attempts": 6,
    "progress": 2,
    "watch": 10,
    "be_away": 3,
    "clean": 2,
    "count": 3,
    "carry_post": 3,
    "read_a_job": 4,
    "load_by_task": 3,
    "list_jobs": 3,
    "read_the_whole": 3,
}


class OracleMachine(Choices, RuleBasedStateMachine):
    """The state machine; `opened` builds the store that is compared."""

    opened: Callable[[Clock], AbstractAsyncContextManager[Store]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.wait = self.runner.get_loop().run_until_complete
        self.context = type(self).opened(self.clock)
        self.store = self.wait(self.context.__aenter__())
        self.run(lambda store: store.open(Wakeups(queue=lambda *_: None, job=lambda _: None, lost=lambda: None)))
        self.seen = self.wait(self.oracle.dump())

    def teardown(self) -> None:
        self.wait(self.store.close())
        self.wait(self.context.__aexit__(None, None, None))
        self.runner.close()

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        """There is something to work on from the start."""
        for number in range(3):
            self.create(Random(seed + number))
            self.dumps_are_equal_and_sound()

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        rng = Random(seed * 1_000_003 + next(self.numbers))
        possible = {name: weight for name, weight in WEIGHTS.items() if self._has_work_for(name)}
        name = rng.choices(list(possible), list(possible.values()))[0]
        note(name)
        getattr(self, name)(rng)

    def _has_work_for(self, name: str) -> bool:
        match name:
            case "commit_result":
                return bool(self.leased() or len(self.tasks) > 20)
            case "speak_of_attempts" | "progress" | "load_by_task":
                return bool(self.tasks)
            case "commit_due":
                return bool(self.given)
            case "commit_mail":
                return bool(self.letters())
            case "commit_begin":
                return bool(self.begins())
            case "quarantine" | "dismiss":
                return bool(self.given or self.letters())
            case "operate":
                return bool(self.seen["open"])
            case "deliver" | "read_a_job":
                return bool(self.seen["jobs"])
        return True

    @invariant()
    def dumps_are_equal_and_sound(self) -> None:
        """After every step."""
        expected, found = self.wait(self._both(lambda store: store.dump()))
        after: Dump = expected  # type: ignore[assignment]
        none_of(differences(plain_dump(expected), plain_dump(found)))
        none_of([*violations(after), *changes(self.seen, after)])
        self.seen = after

    def run(self, operation: Callable[[Store], Awaitable[Answer]], as_plain: Callable[[Any], Any] = plain) -> Answer:
        """Do the operation on both stores and compare the answers; the oracle's."""
        expected, found = self.wait(self._both(operation))
        none_of(differences(as_plain(expected), as_plain(found)))
        return expected

    async def _both(self, operation: Callable[[Store], Awaitable[Answer]]) -> tuple[Answer, Answer]:
        return await operation(self.oracle), await operation(self.store)

    def _commit(self, rng: Random, job: str, path: str, cause: Cause, *, keepable: bool = False) -> None:
        version, writes = self.version(rng, job, path), self.writes(rng, job, path, keepable=keepable)
        wanted = self.wanted(rng) if isinstance(cause, ResultCause) and chance(rng, 2) else None
        note(f"commit({job!r}, {path!r}, {version}, {cause}, {writes}, {wanted})")
        self.run(lambda store: store.commit(job, path, version, cause, writes, wanted))

    # --- steps: jobs --------------------------------------------------------------------------------------------------

    def create(self, rng: Random) -> None:
        self.clock.advance(STEP_MS)
        job = self.name(rng)
        starts = chance(rng, 6)
        writes = self.writes(rng, job, ROOT, keepable=False)
        if starts:
            writes = Writes(scope=b"scope", visit=1, record=b"record")
        new = NewJob(
            job=job,
            client=rng.choice(("c1", "c2")),
            blueprint=rng.choice(("b1", "b2")),
            digest="d1",
            head=b"head",
            writes=writes,
            retention_ms=RETENTION_MS,
            key=f"{job[:2]}-{rng.randint(0, 2)}" if chance(rng, 3) else None,
            body_hash=rng.choice(("", "abc")),
            deadline_ms=self.a_time(rng) if chance(rng, 4) else None,
            start_ms=self.a_time(rng) if starts else None,
        )
        first = self.run(lambda store: store.create(new))
        if chance(rng, 3):
            again = self.run(lambda store: store.create(new))
            assert (again.job, again.fresh) == (first.job, first.fresh)

    def commit_result(self, rng: Random) -> None:
        """Of an attempt that a worker holds, mostly; of any that ever was, now and then."""
        leased = self.leased()
        dead = [one for one in self.tasks if one[2] in self.held()]
        job, path, task_id = rng.choice(leased if leased and not chance(rng, 5) else dead or self.tasks)
        holder = next(
            (one["attempts"][task_id] for one in self.seen["jobs"].values() if task_id in one["attempts"]), None
        )
        known = holder["worker"] if holder else self.held().get(task_id)
        worker = (known if not chance(rng, 6) else None) or rng.choice(WORKERS)
        cause = ResultCause(
            task_id=task_id,
            worker=worker,
            hash=rng.choice(("h", "h", "x")),
            event=b"event",
            success=not chance(rng, 3),
        )
        self._commit(rng, job, path, cause)

    def commit_mail(self, rng: Random) -> None:
        job, path, mail_id = rng.choice(self.letters())
        mail_id = mail_id if not chance(rng, 8) else f"m{rng.randint(1, 30)}"
        self._commit(rng, job, path, MailCause(id=mail_id), keepable=self.stays_alive(job, path))

    def commit_due(self, rng: Random) -> None:
        given = self.members_given()
        job, path, cause = rng.choice(given if given and not chance(rng, 6) else self.given[-12:])
        keepable = cause.kind == "deadline" and self.stays_alive(job, path)
        self._commit(rng, job, path, cause, keepable=keepable)

    def commit_begin(self, rng: Random) -> None:
        job, path = rng.choice(self.begins())
        self._commit(rng, job, path, DueCause(kind="begin", number=0))

    def deliver(self, rng: Random) -> None:
        job = self.a_job(rng)
        paths = [*self.seen["jobs"][job]["scopes"], *self.seen["jobs"][job]["closed"], "/99.0"]
        mail = self.mail(rng, [path for path in paths if path == ROOT or "." in path.rpartition("/")[2]])
        for _ in range(rng.randint(1, 2)):
            self.run(lambda store: store.deliver(job, mail))

    def operate(self, rng: Random) -> None:
        """Change a job's status as an operator does."""
        job = rng.choice(self.seen["open"])
        mail = Mail(id=f"o{next(self.numbers)}", kind="operate", body=b"")
        self.run(lambda store: store.deliver(job, mail))
        if not self.stays_alive(job, ROOT):
            return
        head = HeadChange(status=rng.choice(STATUSES), reason=b"operator")
        version = self.seen["jobs"][job]["scopes"][ROOT]["version"]
        writes = Writes(scope=b"operated", visit=1, record=b"operated", keeps_task=True, head=head)
        self.run(lambda store: store.commit(job, ROOT, version, MailCause(id=mail.id), writes))

    def quarantine(self, rng: Random) -> None:
        causes: list[tuple[str, str, Cause | None]] = [*self.given[-6:]]
        causes += [(job, path, MailCause(id=mail_id)) for job, path, mail_id in self.letters()]
        causes += [(job, ROOT, None) for job, _, _ in causes[:1]]
        job, path, cause = rng.choice(causes)
        if not self.stays_alive(job, path) and isinstance(cause, MailCause):
            return
        self.run(lambda store: store.quarantine(job, path, cause, b"poison", b"record"))

    def dismiss(self, rng: Random) -> None:
        places: list[tuple[str, str, MailCause | DueCause]] = []
        places += [(job, path, MailCause(id=one)) for job, path, one in self.letters() if self.stays_alive(job, path)]
        places += [place for place in self.given[-6:] if place[2].kind in DISMISSIBLE]
        if places:
            job, path, cause = rng.choice(places)
            self.run(lambda store: store.dismiss(job, path, cause))

    # --- steps: work --------------------------------------------------------------------------------------------------

    def poll(self, rng: Random) -> None:
        partition = rng.choice([int(queue.split()[0]) for queue in self.seen["queues"]] or [0])
        wanted = self.wanted(rng)
        self.run(
            lambda store: store.poll(
                partition,
                wanted.worker,
                wanted.queues,
                nonce=wanted.nonce,
                max_tasks=wanted.max_tasks,
                lease_ms=wanted.lease_ms,
                strides=wanted.strides,
                reserved=wanted.reserved,
            )
        )

    def speak_of_attempts(self, rng: Random) -> None:
        """Heartbeat, or release."""
        ids = rng.sample([one[2] for one in self.tasks], min(3, len(self.tasks)))
        worker = rng.choice(WORKERS)
        if rng.random() < 0.3:
            self.run(lambda store: store.release(worker, ids))
        else:
            self.run(lambda store: store.heartbeat(worker, ids, lease_ms=LEASE_MS), sorted)

    def progress(self, rng: Random) -> None:
        _, _, task_id = rng.choice(self.tasks)
        worker = rng.choice(WORKERS)
        self.run(lambda store: store.progress(worker, task_id, b"half"))

    # --- steps: time --------------------------------------------------------------------------------------------------

    def watch(self, rng: Random) -> None:
        """Let time pass while a replica looks every STEP_MS."""
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            self.clock.advance(STEP_MS)
            self._look()

    def be_away(self, rng: Random) -> None:
        """Let time pass while no replica is there."""
        self.clock.advance(STEP_MS * rng.choice((1, 3, 10, 60)))
        self._look()

    def _look(self) -> None:
        for partition in (0, 1):
            answer = self.run(partial(_due, partition), plain_due)
            for due in answer:
                if due.mail is None:
                    self.given.append((due.job, due.path, DueCause(kind=due.kind.value, number=due.number)))

    def clean(self, rng: Random) -> None:
        """Sweep and trim; how many steps a sweep takes is each store's own."""
        partition = rng.randint(0, 1)
        for store in (self.oracle, self.store):
            self.wait(store.sweep(partition, MANY))
        self.run(lambda store: store.trim(partition, 2))

    def count(self, rng: Random) -> None:
        """Take from a counter of one of a few periods, or give back."""
        client, number, amount = rng.choice(("ann", "bob")), rng.randint(0, 2), rng.randint(1, 5)
        until_ms = (self.oracle.now_ms() // RETENTION_MS + number) * RETENTION_MS
        if rng.random() < 0.3:
            self.run(lambda store: store.give_back(client, f"p{until_ms}", amount))
        else:
            self.run(lambda store: store.take(client, f"p{until_ms}", amount, most=9, until_ms=until_ms))

    def carry_post(self, rng: Random) -> None:
        partition, number = rng.randint(0, 1), rng.randint(1, 3)
        posts = self.run(lambda store: store.post(partition, number))
        for post in posts:
            self.run(partial(_deliver, post))
        self.run(lambda store: store.posted(partition, [post.mail.id for post in posts]))

    # --- steps: reading -----------------------------------------------------------------------------------------------

    def read_a_job(self, rng: Random) -> None:
        job = self.a_job(rng)
        known: JobDump = self.seen["jobs"][job]
        paths = [*known["scopes"], *(path for path in known["closed"] if "." in path), "/99.0"]
        path = rng.choice(paths)
        self.run(lambda store: store.load(job, path))
        self.run(lambda store: store.show(job))
        after = rng.randint(0, 4)
        self.run(lambda store: store.history(job, after, 3))
        self.run(lambda store: store.values(job, ["v0", "v1", "v2"]))
        numbers = [number for scope, number in self._forks(known) if scope == path]
        for number in numbers:
            self.run(partial(_outputs, job, path, number))

    @staticmethod
    def _forks(known: JobDump) -> list[tuple[str, int]]:
        return [parent_of(f"{fork}.0")[:2] for fork in known["joins"]]

    def load_by_task(self, rng: Random) -> None:
        job, _, task_id = rng.choice(self.tasks)
        self.run(lambda store: store.load(job, task_id=task_id))

    def list_jobs(self, rng: Random) -> None:
        client, blueprint = rng.choice((None, "c1")), rng.choice((None, "b2"))
        status = rng.choice((None, "open", "paused", "finished"))
        cursor = None
        for _ in range(3):
            query = Query(client=client, status=status, blueprint=blueprint, limit=3, cursor=cursor)
            pages = self.wait(self._both(partial(_list, query)))
            none_of(differences(plain(pages[0].rows), plain(pages[1].rows)))
            assert (pages[0].cursor is None) == (pages[1].cursor is None)
            if pages[0].cursor is None or pages[0].cursor != pages[1].cursor:
                break
            cursor = pages[0].cursor

    def read_the_whole(self, rng: Random) -> None:
        """What may be told differently while jobs are parked is compared when none is."""
        partition = rng.randint(0, 1)
        if any(job["status"] in PARKED for job in self.seen["jobs"].values()):
            return
        self.run(lambda store: store.queues(partition))
        self.run(lambda store: store.next_due_ms(partition))
        self.run(lambda store: store.counts())


async def _due(partition: int, store: Store) -> list[Due]:
    return await store.due(partition, MANY, rearm_ms=REARM_MS)


async def _deliver(post: Post, store: Store) -> Delivered:
    return await store.deliver(post.job, post.mail)


async def _outputs(job: str, path: str, number: int, store: Store) -> list[bytes | None]:
    return await store.outputs(job, path, number, 0, 5)


async def _list(query: Query, store: Store) -> Page:
    return await store.list_jobs(query)
