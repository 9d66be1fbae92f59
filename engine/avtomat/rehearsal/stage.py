"""Play one job to its end: the engine of production on a store in memory, with a clock that is turned by hand.

Nothing is decided here. The store, the executor and its timers are those of production; the stage stands in for workers
and for time. Workers take what is queued at once, and are at work as long as their answers say; when nothing is left to
do, the clock goes to the next time at which something is. So the same case always comes to the same end.

Rules
  * A result that comes in the very moment of a timeout counts: workers go first.
  * A worker at work keeps its lease; a silent one does not. One that is told to cancel stops at once.
  * Just before each time the store is asked once: a lease that ends after a gap would pass for an outage.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Container, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta

from avtomat.blueprint.building import build_program
from avtomat.blueprint.findings import codes_tests as codes
from avtomat.core.duration import DURATION_MAX
from avtomat.core.formula import Json
from avtomat.core.messages import View
from avtomat.core.program import Program
from avtomat.core.timestamp import from_ms, to_ms
from avtomat.core.value import value
from avtomat.core.waiting import OnUndo
from avtomat.core.walk import Walk
from avtomat.errors import RequestRefused
from avtomat.rehearsal.calls import call_answered, unfit_call
from avtomat.rehearsal.cases import Answer, Case, SentRequest
from avtomat.rehearsal.people import People, Unused
from avtomat.rehearsal.queueing import VisitQueues
from avtomat.rehearsal.script import CaseStopped, Script, Task
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.incoming.mapping import Arrived, what_is_asked
from avtomat.runtime.jobs.executor import Executor, Listeners
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.kept import Kept, KeptScopes
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.jobs.signals import Signal, Signals
from avtomat.runtime.jobs.submission import Submission, begin, input_of
from avtomat.runtime.jobs.waiters import Waiters
from avtomat.runtime.people.approvals import Approvals
from avtomat.runtime.people.asking import Questions
from avtomat.runtime.people.links import Links
from avtomat.runtime.schedules.making import submission_of
from avtomat.runtime.schedules.planning import Rule
from avtomat.runtime.schedules.record import Outcome, Run
from avtomat.runtime.time.timers import Timers
from avtomat.runtime.work.handout import payload
from avtomat.runtime.work.results import cause_of, event_of
from avtomat.secrets import InlineSecret, Secrets
from avtomat.storage.port.answers import Handout, HistoryEntry, JobRow, Revoked, Wakeups
from avtomat.storage.port.codec import loads, secrets_from_json

JOB = "00000000000000000000000001"
"""The id of every job in tests: jitter and `uuid()` are derived from it."""

WORKER = "test"
_SIGNAL = "signal "
LEASE_MS = 90_000
RETENTION = timedelta(days=7)
DECISIONS_MAX = 10_000
SWEEP_MAX = 1_000
LATEST_MS = to_ms(datetime(9999, 12, 1, tzinfo=UTC))
SCOPES_KEPT_MAX = 20_000
SCOPES_KEPT_BYTES_MAX = 64 * 1024 * 1024


@value
class Played:
    """What came of a job: the job as the store keeps it, its history, what workers got, and what was undone.

    `unused_signals` says of signals of the case, by number, why the job did not use them; `unused_decisions` the same
    of decisions. `stopped` says why it did not come to its end; `refused` why there is no job at all.
    """

    join_errors: Mapping[tuple[str, int], str]
    row: JobRow | None = None
    entries: Sequence[Mapping[str, Json]] = ()
    tasks: Sequence[Task] = ()
    compensated: Sequence[str] = ()
    unused_signals: Mapping[int, str] = field(default_factory=dict)
    unused_decisions: Sequence[Unused] = ()
    stopped: CaseStopped | None = None
    refused: RequestRefused | None = None


def play(program: Program, case: Case) -> Played:
    """Play the case with this program."""
    return asyncio.run(_Stage(program, case).play())


@value
class _Work:
    """An attempt in a worker's hands until a time; without one it is silent."""

    task: Task
    handout: Handout
    body: Mapping[str, Json]
    until_ms: int


class _Stage:
    """One job, its store, its clock, and the workers."""

    def __init__(self, program: Program, case: Case) -> None:
        self._program = program
        self._case = case
        self._script = Script(case)
        self._now_ms = to_ms(case.now)
        self._run = self._run_of_schedule()
        self._latest_ms = min(self._now_ms + DURATION_MAX // timedelta(milliseconds=1), LATEST_MS)
        self._store = store = VisitQueues(clock=lambda: self._now_ms)
        self._programs = Programs(store, build_program)
        kept = KeptScopes(scopes_max=SCOPES_KEPT_MAX, bytes_max=SCOPES_KEPT_BYTES_MAX)
        self._scopes = Scopes(store, self._programs, kept)
        self._executor = Executor(store, self._scopes, Waiters())
        self._executor.listen(Listeners(revoked=self._cancel, due_at=lambda _: None))
        self._timers = Timers(store, self._executor, self._scopes)
        self._vault = Secrets({name: InlineSecret(text=text) for name, text in case.secrets.items()}, environ={})
        self._ready: list[str] = []
        self._working: dict[str, _Work] = {}
        self._agenda: list[tuple[int, int, str]] = []
        self._signals = Signals(store, self._executor, self._row, self._programs)
        questions, histories = Questions(store, self._scopes), Histories(store, None)
        decisions = Approvals(store, self._executor, self._scopes, self._row, histories, Links(None))
        self._people = People(case, store, questions, decisions)
        self._coming = [self._now_ms + signal.after_ms for signal in reversed(case.signals)]
        self._refused_signals: dict[int, str] = {}
        self._cancelled: list[str] = []
        self._tasks: list[Task] = []
        self._untaken: dict[str, Task] = {}
        self._compensated: list[str] = []

    async def play(self) -> Played:
        """Submit the job and let it run to where it rests."""
        await self._store.open(Wakeups(queue=self._has_work, job=lambda _: None, lost=lambda: None))
        await self._programs.swap({self._program.name: self._program})
        stopped = None
        try:
            await self._submit(self._asked())
            while not self._store.at_rest:
                await self._step()
        except RequestRefused as refused:
            return Played(refused=refused, join_errors={})
        except CaseStopped as ended:
            stopped = ended
        return await self._played(stopped)

    def _run_of_schedule(self) -> Submission | None:
        """What the case's schedule asks for at its next run, to which the clock is turned."""
        name = None if self._case.schedule is None else self._case.schedule.text
        schedule = next((each for each in self._program.schedules if each.name == name), None)
        if schedule is None:
            return None
        rule = Rule(self._program, schedule, 0, RETENTION)
        due_ms = rule.next_ms(self._now_ms) or self._now_ms
        self._now_ms = rule.begins_ms(due_ms)
        return submission_of(rule, Run(due_ms=due_ms, at_ms=self._now_ms, outcome=Outcome.STARTING))

    def _asked(self) -> Submission:
        """What a client sends, a hook, or a schedule."""
        if self._run is not None:
            return self._run
        given = self._case.input if self._case.hook is None else self._mapped(self._case.hook)
        return Submission(blueprint=self._program.name, input=given, client=WORKER)

    def _mapped(self, sent: SentRequest) -> Json:
        """The input that the hook makes of its request."""
        arrived = Arrived(body=sent.body, headers=sent.headers, at=self._executor.now())
        asked = what_is_asked(self._program, sent.name.text, arrived, self._case.config)
        if asked is None:
            text = f"the hook {sent.name.text} takes the request and starts no job: its `when` does not hold"
            raise RequestRefused(text, status=422, code="hook.ignored")
        return asked.value

    async def _submit(self, asked: Submission) -> None:
        given = input_of(self._program, asked)
        now, config = self._executor.now(), self._case.config
        beginning = begin(JOB, self._program, asked, given, now, config=config, retention=RETENTION)
        await self._executor.create(beginning)

    async def _played(self, stopped: CaseStopped | None) -> Played:
        entries = await self._store.history(JOB, 0, DECISIONS_MAX * 2)
        return Played(
            row=await self._store.show(JOB),
            entries=[{"scope": entry.path, "at_ms": entry.at_ms, **loads(entry.record)} for entry in entries],
            tasks=self._tasks,
            compensated=self._compensated,
            unused_signals=self._refused_signals
            if stopped
            else self._unused({_record(entry).get("id") for entry in entries}),
            unused_decisions=[*self._people.unused(is_over=stopped is None)],
            join_errors=self._store.join_errors,
            stopped=stopped,
        )

    # --- one thing after the other ------------------------------------------------------------------------------------

    async def _step(self) -> None:
        """Do the next thing that is to be done."""
        await self._let_bodies_begin()
        await self._people.hear(JOB)
        if self._store.commits > DECISIONS_MAX:
            message = f"the job does not end: more than {DECISIONS_MAX:,} decisions were made"
            raise self._endless(message, "let the answers lead out of the loop")
        if self._cancelled:
            await self._store.release(WORKER, self._cancelled)
            self._cancelled.clear()
        elif self._ready:
            await self._hand_out()
        elif self._agenda and self._agenda[0][0] <= self._now_ms:
            await self._deliver(heapq.heappop(self._agenda)[2])
        elif self._coming and self._coming[-1] <= self._now_ms:
            await self._send_next()
        elif (self._people.next_ms or self._now_ms + 1) <= self._now_ms:
            await self._people.decide_next(JOB)
        elif not await self._look_what_is_due():
            await self._turn_clock()

    async def _look_what_is_due(self) -> bool:
        """Whether anything was due: answered now, or put into its queue by the store."""
        return bool(await self._timers.run_due(0) or self._ready)

    async def _let_bodies_begin(self) -> None:
        """Let the bodies of blocks begin that the executor has under way."""
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    # --- workers ------------------------------------------------------------------------------------------------------

    def _has_work(self, _partition: int, queue: str) -> None:
        self._ready.append(queue)

    async def _hand_out(self) -> None:
        """Let workers take all that is queued, by priority, then first come."""
        queues, self._ready = self._ready, []
        for handout in await self._store.poll(0, WORKER, queues, nonce="", max_tasks=len(queues), lease_ms=LEASE_MS):
            await self._take(handout)

    async def _take(self, handout: Handout) -> None:
        task = await self._task(handout)
        unfit = unfit_call(task)
        if unfit is None:
            answer = self._script.answer(task, from_ms(self._now_ms))
        else:
            answer = Answer(span=self._case.name.span, body=unfit)
        if answer.server is not None:
            answer = call_answered(task, answer, handout.deadline_ms, self._now_ms)
        self._tasks.append(task)
        if answer.untaken:
            await self._store.release(WORKER, [handout.task_id])
            self._ready.remove(handout.queue)
            self._untaken[handout.queue] = task
        elif not answer.silent:
            until_ms = self._now_ms + answer.takes_ms
            self._working[handout.task_id] = _Work(task=task, handout=handout, body=answer.body, until_ms=until_ms)
            heapq.heappush(self._agenda, (until_ms, len(self._tasks), handout.task_id))

    async def _task(self, handout: Handout) -> Task:
        kept = await self._scopes.at(handout.job, handout.path, handout.loaded, None)
        assert kept is not None
        self._demand_placeholders(handout)
        given = payload(handout, self._vault, self._now_ms)
        place, is_undo = _place(kept, self._program)
        return Task(kind=given["type"], place=place, attempt=handout.attempt, params=given["params"], is_undo=is_undo)

    def _demand_placeholders(self, handout: Handout) -> None:
        """In production a secret that is missing fails the attempt; in a test it was forgotten."""
        body = loads(handout.body)
        name = next((ref.name for ref in secrets_from_json(body) if ref.name not in self._vault), None)
        if name is not None:
            message = f"the task {body['kind']} needs the secret {name}, and there is no placeholder for it"
            hint = f"add to the case or to `defaults`: secrets: {{{name}: placeholder}}"
            raise CaseStopped(codes.NO_PLACEHOLDER.at(self._case.name.span, message, hint))

    async def _deliver(self, task_id: str) -> None:
        """Give the engine the result of a worker that is done; one that was told to cancel has stopped."""
        work = self._working.pop(task_id, None)
        if work is None:
            return
        event = event_of({**work.body, "worker_id": WORKER})
        cause = cause_of(task_id, WORKER, work.body, event)
        handled = await self._executor.handle(JOB, work.handout.path, cause, event, task_id=task_id)
        if work.task.is_undo and handled.change is not None and work.body["status"] != "failure":
            self._compensated.append(work.task.place)

    def _cancel(self, attempts: Sequence[Revoked]) -> None:
        """Workers at work hear that their attempts are dead; silent ones hear nothing."""
        told = [attempt.task_id for attempt in attempts if attempt.task_id in self._working]
        for task_id in told:
            del self._working[task_id]
        self._cancelled += told

    # --- signals ------------------------------------------------------------------------------------------------------

    async def _send_next(self) -> None:
        """Deliver the signal whose time has come, as its sender would."""
        number = len(self._case.signals) - len(self._coming)
        self._coming.pop()
        sent = self._case.signals[number]
        signal = Signal(name=sent.name, payload=sent.payload, key=sent.key, id=f"{_SIGNAL}{number}")
        try:
            await self._signals.send(JOB, None, signal, WORKER)
        except RequestRefused as refused:
            self._refused_signals[number] = refused.message

    async def _row(self, job_id: str, _client: str | None) -> JobRow | None:
        return await self._store.show(job_id)

    def _unused(self, used: Container[str | None]) -> dict[int, str]:
        """Why signals of the case were not used, by their numbers."""
        found = dict(self._refused_signals)
        first_coming = len(self._case.signals) - len(self._coming)
        for number in range(len(self._case.signals)):
            if number >= first_coming:
                found[number] = "the job had come to its end before"
            elif number not in found and f"{_SIGNAL}{number}" not in used:
                found[number] = "no state waited for it under this key"
        return found

    # --- time ---------------------------------------------------------------------------------------------------------

    async def _turn_clock(self) -> None:
        """Go to the next time at which something is to be done, by way of the moment before it."""
        target_ms = await self._next_ms()
        if target_ms is None:
            raise self._endless(*await self._for_ever())
        if target_ms > self._latest_ms:
            raise self._endless("the job waits longer than a hundred years", "check what it waits for, and `now`")
        self._now_ms = max(self._now_ms, target_ms - 1)
        for task_id, work in self._working.items():
            left_ms = work.until_ms - self._now_ms
            await self._store.heartbeat(WORKER, [task_id], lease_ms=LEASE_MS + left_ms)
        await self._timers.run_due(0)
        await self._store.sweep(0, SWEEP_MAX)
        if await self._next_ms() == target_ms:
            self._now_ms = target_ms

    async def _for_ever(self) -> tuple[str, str]:
        """For what the job waits though nothing is to come, and what helps."""
        row = await self._store.show(JOB)
        if row is not None and not row.tasks:
            signals, decisions = self._store.signals_awaited(), self._people.awaited()
            how = [*["send it with `signals`"][: len(signals)], *["decide it with `approvals`"][: len(decisions)]]
            awaited = ", ".join([*signals, *decisions]) or "nothing"
            return f"the job waits for ever for {awaited}", f"{', '.join(how)}, or give the state a `timeout`"
        hint = "let it be taken, or give it a time: `timeout: {queue: 1h}`"
        return f"the job waits for ever for a worker that takes {self._left_lying(row)}", hint

    def _left_lying(self, row: JobRow | None) -> str:
        """The tasks that no worker takes and that are open still."""
        queues = () if row is None else (task.queue for task in row.tasks)
        found = [self._untaken[queue] for queue in queues if queue in self._untaken]
        return ", ".join(f"{task.kind} ({task.place})" for task in found) or "nothing"

    async def _next_ms(self) -> int | None:
        due_ms = await self._store.next_due_ms(0)
        times = [self._agenda[0][0]] if self._agenda else []
        times += self._coming[-1:]
        return min([*times, *(each for each in (due_ms, self._people.next_ms) if each is not None)], default=None)

    def _endless(self, message: str, hint: str) -> CaseStopped:
        return CaseStopped(codes.ENDLESS_CASE.at(self._case.name.span, message, hint))


def _record(entry: HistoryEntry) -> Mapping[str, Json]:
    record: Mapping[str, Json] = loads(entry.record)
    return record


def _place(kept: Kept, program: Program) -> tuple[str, bool]:
    """The path of the state whose task this is, as errors have it; and whether the task undoes that state."""
    waiting = kept.scope.waiting
    if isinstance(waiting, OnUndo):
        return kept.undos[waiting.index].place, True
    view = View(head=kept.head, scope=kept.scope, around=kept.around)
    return Walk(program, view, kept.head.created_at).place, False
