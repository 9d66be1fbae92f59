"""The world around one job, without a store: what is open, due and in the mail, and what a commit makes of it.

It does what every store promises, as plainly as it can be said, and nothing more: open attempts, timers, joins by three
integers, mail, leases, undos. After each commit it holds the job to what must always be true.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from avtomat.core.awaited_decision import ADDRESS, OnApproval
from avtomat.core.family import ChildEnded, StartJob
from avtomat.core.history import delta, fold
from avtomat.core.kinds.blocks import BlockState
from avtomat.core.kinds.ends import FailState
from avtomat.core.kinds.task import TaskState
from avtomat.core.lifecycle import may_follow
from avtomat.core.machine import decide, start, start_too_large
from avtomat.core.messages import (
    ApprovalDecided,
    Change,
    Decision,
    Event,
    ForkScopes,
    JoinDecided,
    LateSuccess,
    LeaseLost,
    RerunRequested,
    ScopeEnded,
    SignalReceived,
    SizeExceeded,
    SkipRequested,
    TaskBody,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    Undo,
    UnwindReady,
    View,
)
from avtomat.core.model import ENDED, Error, Head, Ref, Status
from avtomat.core.program import FINALLY, RESULT, Limits, Program
from avtomat.core.reads import outputs_read
from avtomat.core.scope import ROOT, Around, Scope
from avtomat.core.waiting import (
    OnChild,
    OnFinally,
    OnFork,
    OnRetry,
    OnSignal,
    OnStart,
    OnTask,
    OnTimer,
    OnUndo,
    OnUnwind,
    TaskLimits,
    Waiting,
)
from avtomat.runtime.jobs.bounds import TooLargeError, within
from avtomat.storage.port.codec import dumps, loads, scope_as_record, scope_from_record
from avtomat.storage.port.rules import child_path, covers, fork_path, join_word, parent_of
from tests.core.building import NOW, around_of

INLINE_BYTES = 20
UNFIT = Error(code="INVALID_INPUT_ERROR", message="the input does not fit", details=[])
REFUSED_EACH = 8
"""Of so many jobs that are to begin one has an input that does not fit."""


def _within(scope: Scope, limits: Limits) -> Scope:
    """The scope as production would write it."""
    return scope if len(dumps(scope_as_record(scope))) <= limits.data_bytes else within(scope, limits)


@dataclass(kw_only=True)
class OpenTask:
    """An attempt that workers may take, or have taken."""

    attempt: int
    limits: TaskLimits
    body: TaskBody
    not_before: datetime | None = None
    leased: bool = False


@dataclass(kw_only=True)
class Dead:
    """An attempt whose scope has gone on without it, or is closed, and that a worker still holds. `left` is that scope
    as it was, if a success of it counts.
    """

    path: str
    attempt: int
    left: View | None


@dataclass(kw_only=True)
class Kept:
    """A scope as a store keeps it."""

    scope: Scope
    around: Around
    record: dict[str, Any] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    folded: dict[str, Any] = field(default_factory=dict)
    task: OpenTask | None = None
    timer: datetime | None = None
    waits: tuple[str, str] | None = None
    waits_since: int = 0
    mail: Sent | None = None
    child: str | None = None
    is_open: bool = True


@dataclass(kw_only=True)
class Sent:
    """A signal that came for the job, and is not used: in the mailbox of a scope, or kept for the next waiter."""

    number: int
    to: tuple[str, str]
    event: SignalReceived | ApprovalDecided


@dataclass(kw_only=True)
class Join:
    """The three integers of a fork, and what its bodies left."""

    order: ForkScopes
    outputs: dict[int, Any] = field(default_factory=dict)
    errors: dict[int, Error] = field(default_factory=dict)
    begun: int = 0
    live: int = 0
    ok: int = 0
    failed: int = 0
    closed: bool = False
    verdict: JoinDecided | None = None
    winner: int | None = None

    @property
    def may_begin(self) -> bool:
        order = self.order
        return not self.closed and self.verdict is None and self.live < order.window and self.begun < order.total


class World:
    """One job, from its first decision to its end."""

    def __init__(self, program: Program, given: Any, *, start_at: datetime | None = None) -> None:
        self.program = program
        self.now = NOW
        self.scopes: dict[str, Kept] = {}
        self.joins: dict[tuple[str, int], Join] = {}
        self.undos: list[tuple[int, tuple[Undo, ...]]] = []
        self.noted: list[Undo] = []
        self.undone: list[Undo] = []
        self.effects: set[str] = set()
        self.apart: dict[str, Any] = {}
        self.kept_signals: list[Sent] = []
        self.signals = 0
        self.used_signals: list[str] = []
        self.dead_leases: list[Dead] = []
        self.late: list[LateSuccess] = []
        self.unwind_told = False
        self.finishes = False
        self.declined = False
        self.seq = 0
        self._settles = False
        self.ended: ScopeEnded | None = None
        self.begun_jobs: set[str] = set()
        self.left_jobs: set[str] = set()
        self.head = Head(
            job="j1",
            blueprint=program.name,
            digest=program.digest,
            input=given,
            created_at=NOW,
            config={"shop": "s"},
            runs=dict.fromkeys(program.runs - {"nobody"}, "d"),
        )
        refused: dict[int, Error] = {}
        asked = self.head
        self.head, first = start(program, asked, self.now, start_at)
        while (bad := _refused(first)) is not None:
            refused[bad.visit] = UNFIT
            self.head, first = start(program, asked, self.now, start_at, refused)
        again = replace(self.head, deadline=None, labels={})
        assert (self.head, first) == start(program, again, self.now, start_at, refused)
        self.scopes[ROOT] = Kept(scope=Scope(), around=Around())
        try:
            first = replace(first, scope=_within(first.scope, program.limits))
        except TooLargeError as large:
            first = start_too_large(program, self.head, self.now, str(large))
        self._commit(ROOT, first)

    # --- events -----------------------------------------------------------------------------------------------------

    def tell(self, path: str, event: Event, at: datetime | None = None) -> Decision:
        """Decide on an event that the world delivers, and write what was decided."""
        self.now = max(self.now + timedelta(milliseconds=1), at or self.now)
        decision = self._that_fits(path, event, self.decide(path, event))
        if isinstance(decision, Change):
            self._note_effect(self.scopes[path].scope, event)
            self._check_failures(path, event, decision)
            self._settles = isinstance(event, TaskTimedOut | LeaseLost | SkipRequested)
            self._commit(path, decision)
        return decision

    def quarantine(self) -> None:
        """The engine failed: the store parks the job where it stands, without a decision."""
        assert may_follow(self.head.status, Status.QUARANTINED)
        self.head = replace(self.head, status=Status.QUARANTINED)

    def work_late(self, dead: Dead, output: Any) -> None:
        """A worker ends an attempt that is dead: the root has mail, if that counts. `output` None: it did nothing."""
        self.dead_leases.remove(dead)
        if dead.left is not None and output is not None and self.ended is None:
            answer = TaskSucceeded(attempt=dead.attempt, output=output, worker="w1")
            self.late.append(LateSuccess(answer=answer, left=dead.left))

    def hear_late(self) -> None:
        """The root learns what was done late."""
        event = self.late.pop(0)
        finishes = isinstance(self.scopes[ROOT].scope.waiting, OnFinally)
        state = self.program.machines[event.left.scope.machine].states[event.left.scope.state or ""]
        decision = self.tell(ROOT, replace(event, left=replace(event.left, head=self.head)))
        if not finishes:
            assert isinstance(state, TaskState)
            assert state.compensate is not None
            assert isinstance(decision, Change) or state.compensate.when is not None, "a late effect was not noted"
            self._note_effect(event.left.scope, event.answer)

    def _that_fits(self, path: str, event: Event, decision: Decision) -> Decision:
        """The decision, or the one that follows where it would write more than the limits allow."""
        if not isinstance(decision, Change):
            return decision
        limits = self.program.limits
        try:
            return replace(decision, scope=self._set_apart(_within(decision.scope, limits)))
        except TooLargeError as large:
            smaller = self.decide(path, SizeExceeded(message=str(large), event=event))
            assert isinstance(smaller, Change)
            return replace(smaller, scope=self._set_apart(_within(smaller.scope, limits)))

    def _note_effect(self, scope: Scope, event: Event) -> None:
        """A worker did its work, whatever became of its answer: that visit must be undone if the job ends badly."""
        state = self.program.machines[scope.machine].states.get(scope.state or "")
        compensation = state.compensate if isinstance(state, TaskState) else None
        worked = isinstance(event, TaskSucceeded) and isinstance(scope.waiting, OnTask)
        if worked and compensation is not None and compensation.when is None:
            self.effects.add(f"{scope.path}:{scope.visit}")

    def decide(self, path: str, event: Event) -> Decision:
        """Decide, twice, because the same event on the same view always gives the same Decision."""
        view = self._view(path, event)
        decision = decide(self.program, view, event, self.now)
        while isinstance(decision, Change) and (bad := _refused(decision)) is not None:
            view = replace(view, refused={**view.refused, bad.visit: UNFIT})
            decision = decide(self.program, view, event, self.now)
        assert decision == decide(self.program, view, event, self.now), "decided differently"
        return decision

    def begin(self, path: str, number: int) -> str:
        """The next body of a fork gets its turn; its path."""
        join, parent = self.joins[path, number], self.scopes[path]
        body = child_path(path, number, join.begun)
        around = around_of(join.order, parent.scope, parent.around, join.begun)
        self.scopes[body] = Kept(scope=Scope(path=body, machine=around.machine), around=around)
        join.begun += 1
        join.live += 1
        return body

    def joined(self, path: str, number: int) -> JoinDecided:
        """The verdict of a fork with what its bodies have left."""
        join = self.joins[path, number]
        assert join.verdict is not None
        outputs = [join.outputs.get(index) for index in range(join.order.total)]
        failures = [(index, error.as_json()) for index, error in sorted(join.errors.items())]
        return replace(join.verdict, outputs=outputs, failures=failures, winner=join.winner)

    def timed(self, path: str) -> TimerFired:
        """The time that a scope waits for has come; of a block, with what had failed of its last attempt by then."""
        kept = self.scopes[path]
        waiting, fired = kept.scope.waiting, TimerFired(visit=kept.scope.visit)
        block = self.program.machines[kept.around.machine].states.get(kept.scope.state or "")
        if not isinstance(waiting, OnFork | OnRetry) or not isinstance(block, BlockState) or not block.reads_failures:
            return fired
        if waiting.deadline is None or kept.timer is None or waiting.deadline > max(self.now, kept.timer):
            return fired
        errors = self.joins[path, kept.scope.forks - 1].errors
        failures = [(index, error.as_json()) for index, error in sorted(errors.items())]
        return replace(fired, failed=len(errors), failures=failures)

    def _check_failures(self, path: str, event: Event, change: Change) -> None:
        """What a block sets from its failures is what its bodies have failed with. `failed` counts those of the
        verdict: bodies may fail between it and its answer.
        """
        told = isinstance(event, JoinDecided) or (isinstance(event, TimerFired) and event.failed)
        fails = change.scope.data.get("fails")
        if not told or fails == self.scopes[path].scope.data.get("fails") or len(change.trail) > 1:
            return
        errors = self.joins[path, self.scopes[path].scope.forks - 1].errors
        codes = [error.code for _, error in sorted(errors.items())]
        seen = [(event.failed, int), (codes, list), (codes[0] if codes else None, dict)]
        kind, expected = type(fails), [value for value, like in seen if isinstance(fails, like)]
        found = fails["error"]["code"] if kind is dict else fails
        assert [found] == expected, f"failures show {fails!r}, the bodies failed with {codes}"

    def _view(self, path: str, event: Event) -> View:
        """What production would load: of the outputs that are kept apart, those that this decision may read."""
        kept = self.scopes[path]
        scope = replace(scope_from_record(kept.record, path, kept.scope.version), machine=kept.around.machine)
        unwinds = path == ROOT and isinstance(scope.waiting, OnUnwind | OnUndo) and self.undos
        seq, undos = self.undos[-1] if unwinds else (0, ())
        entering = event.state if isinstance(event, RerunRequested) else None
        read = outputs_read(self.program, scope.machine, entering or scope.state)
        if isinstance(scope.waiting, OnFinally):
            read = frozenset({RESULT})
        outputs = {**kept.around.outputs, **scope.outputs}
        refs = {name: output for name, output in outputs.items() if isinstance(output, Ref)}
        values = {ref.id: self.apart[ref.id] for name, ref in refs.items() if read is None or name in read}
        return View(head=self.head, scope=scope, around=kept.around, values=values, undos=undos, undo_seq=seq)

    def _set_apart(self, scope: Scope) -> Scope:
        """Keep each output that is not very small by reference, as production does with large ones."""
        outputs = dict(scope.outputs)
        for name, output in scope.outputs.items():
            if not isinstance(output, Ref) and len(dumps(output)) > INLINE_BYTES:
                outputs[name] = Ref(f"{scope.path}@{scope.version}.{name}", len(dumps(output)))
                self.apart[outputs[name].id] = output
        return replace(scope, outputs=outputs)

    # --- children ---------------------------------------------------------------------------------------------------

    def child_ends(self, path: str, event: ChildEnded) -> Decision:
        """The child that a scope waits for has ended."""
        kept = self.scopes[path]
        assert kept.child == event.job
        kept.child = None
        decision = self.tell(path, event)
        assert isinstance(decision, Change), "the end of a child that was awaited was ignored"
        return decision

    def _leave_child(self, kept: Kept) -> None:
        if kept.child is not None:
            self.left_jobs.add(kept.child)
            kept.child = None

    def _set_child(self, kept: Kept, change: Change) -> None:
        """The child that was awaited is left; then there may be another one."""
        if kept.child is not None:
            self.left_jobs.add(kept.child)
        held = [order for order in change.jobs if not order.detached]
        assert len(held) <= 1
        kept.child = held[0].job if held else None
        for order in change.jobs:
            assert order.job not in self.begun_jobs, "a job was begun twice"
            self.begun_jobs.add(order.job)

    # --- signals ----------------------------------------------------------------------------------------------------

    def send(self, to: tuple[str, str], payload: Any) -> None:
        """A signal comes for the job: for the one who has waited longest, or it is kept."""
        self.signals += 1
        self._hand_over(Sent(number=self.signals, to=to, event=self._event(to, payload)))

    def _event(self, to: tuple[str, str], payload: Any) -> SignalReceived | ApprovalDecided:
        if to[0].startswith(ADDRESS):
            return ApprovalDecided(visit=int(to[1]), id=f"m{self.signals}", **payload)
        return SignalReceived(name=to[0].partition("#")[0], payload=payload, id=f"m{self.signals}", by="bank")

    def read(self, path: str) -> Decision:
        """A scope uses the signal that came for it."""
        sent = self.scopes[path].mail
        assert sent is not None
        self.scopes[path].mail = None
        self.used_signals.append(sent.event.id)
        decision = self.tell(path, sent.event)
        assert isinstance(decision, Change), "a signal that was handed to its waiter was ignored"
        return decision

    def _hand_over(self, sent: Sent) -> None:
        waiting = [kept for kept in self.scopes.values() if kept.is_open and kept.waits == sent.to]
        if waiting:
            waiter = min(waiting, key=lambda kept: kept.waits_since)
            waiter.waits, waiter.mail = None, sent
        else:
            self.kept_signals = sorted([*self.kept_signals, sent], key=lambda kept: kept.number)

    def _set_wait(self, kept: Kept, waiting: Waiting) -> None:
        """The scope's wait goes, a signal that it has not read to the next one; then it may wait anew."""
        unread, kept.mail, kept.waits = kept.mail, None, None
        if unread is not None:
            self._hand_over(unread)
        to = None if waiting is None else waiting.signal
        if to is None:
            return
        found = next((sent for sent in self.kept_signals if sent.to == to), None)
        if found is None:
            kept.waits, kept.waits_since = to, self.seq
        else:
            self.kept_signals.remove(found)
            kept.mail, kept.timer = found, None

    def _check_signals(self) -> None:
        unused = [*self.kept_signals, *(kept.mail for kept in self.scopes.values() if kept.mail is not None)]
        names = [*self.used_signals, *(sent.event.id for sent in unused)]
        assert sorted(names) == sorted({f"m{number + 1}" for number in range(self.signals)}), (
            "used once, or still there"
        )
        waits = {kept.waits for kept in self.scopes.values() if kept.is_open}
        assert not waits & {sent.to for sent in self.kept_signals}, "a signal and its waiter did not meet"

    # --- what may happen --------------------------------------------------------------------------------------------

    @property
    def is_parked(self) -> bool:
        return self.head.status in {Status.PAUSED, Status.QUARANTINED}

    def open_scopes(self) -> list[str]:
        return [path for path, kept in self.scopes.items() if kept.is_open]

    def leases(self) -> int:
        """How many workers are at work for this job."""
        live = sum(kept.task is not None and kept.task.leased for kept in self.scopes.values())
        awaited = sum(kept.child is not None for kept in self.scopes.values() if kept.is_open)
        return live + len(self.dead_leases) + len(self.left_jobs) + awaited

    def may_unwind(self) -> bool:
        waits = isinstance(self.scopes[ROOT].scope.waiting, OnUnwind)
        return waits and not self.unwind_told and not self.leases() and not self.late

    # --- writing ----------------------------------------------------------------------------------------------------

    def _commit(self, path: str, change: Change) -> None:
        kept, status, waiting = self.scopes[path], self.head.status, self.scopes[path].scope.waiting
        assert kept.is_open, f"{path} has ended and was changed"
        assert change.scope.version == kept.scope.version + 1, "a version counts commits"
        self._check_trail(kept, change)
        self.seq += 1
        left = None if self._settles else self._left(kept)
        self._write_scope(kept, change)
        self._write_head(path, change, waiting)
        self._write_undos(change)
        for number in change.close:
            self._close(fork_path(path, number))
        if not change.keeps:
            self._set_task(kept, change, left)
            kept.timer = _timer(change, self.now)
            self._set_wait(kept, change.scope.waiting)
            self._set_child(kept, change)
        elif isinstance(change.scope.waiting, OnApproval):
            kept.timer = change.scope.waiting.due_at
        if change.fork is not None:
            self._fork(path, change.fork)
        if change.ended is not None:
            self._end(path, change.ended, waiting)
        assert may_follow(status, self.head.status), f"{self.head.status} may not follow {status}"
        self.check()

    def _check_trail(self, kept: Kept, change: Change) -> None:
        before, after = kept.scope, change.scope
        assert after.hops - before.hops == len(change.trail)
        assert after.visit - before.visit == len(change.trail) + _begins_undo(before.waiting, after.waiting)
        assert not change.trail or after.state == change.trail[-1]
        assert after.hops <= self.program.limits.transitions
        if isinstance(before.waiting, OnUnwind | OnUndo):
            assert not change.trail, "a job that undoes enters no state"
        if isinstance(before.waiting, OnFinally):
            assert not change.trail, "a job that finishes enters no state"
            assert after.data == before.data, "what finally sets is its own"

    def _write_scope(self, kept: Kept, change: Change) -> None:
        after = loads(dumps(scope_as_record(change.scope)))
        changed = loads(dumps(delta(kept.record, after)))
        kept.changes.append(changed)
        kept.folded = fold([kept.folded, changed])
        assert _texts(kept.folded) == _texts(after), "the fold of history is not the state"
        kept.scope, kept.record = change.scope, after

    def _write_head(self, path: str, change: Change, waiting: Waiting) -> None:
        if change.status is not None:
            assert path == ROOT, "a body changes no status"
            over = change.status in {Status.COMPENSATING, Status.FINISHING}
            deadline = None if over else self.head.deadline
            self.head = replace(self.head, status=change.status, deadline=deadline)
        if isinstance(change.scope.waiting, OnUnwind) and not isinstance(waiting, OnUnwind | OnUndo):
            self.unwind_told = False

    def _write_undos(self, change: Change) -> None:
        if change.undone_seq is not None:
            assert self.undos[-1][0] == change.undone_seq, "undos run in the reverse order of their noting"
            self.undos.pop()
        if change.undos:
            assert not isinstance(self.scopes[ROOT].scope.waiting, OnUndo), "an undo notes nothing"
            self.undos.append((self.seq, change.undos))
            self.noted += change.undos

    def _left(self, kept: Kept) -> View | None:
        """The scope as it is, if its open attempt is one whose success notes an undo."""
        state = self.program.machines[kept.around.machine].states.get(kept.scope.state or "")
        if kept.task is None or not isinstance(state, TaskState) or not isinstance(kept.scope.waiting, OnTask):
            return None
        return self._view(kept.scope.path, UnwindReady()) if state.is_undoable else None

    def _set_task(self, kept: Kept, change: Change, left: View | None) -> None:
        order, waiting, open_before = change.dispatch, change.scope.waiting, kept.task
        self._drop_task(kept, left)
        if order is None:
            if isinstance(waiting, OnUndo) and waiting.attempt == 0:
                assert self.undos[-1][1][waiting.index].error is not None, "an undo that has params is tried"
                self._reach(waiting)
            return
        assert isinstance(waiting, OnTask | OnUndo)
        assert (waiting.attempt, waiting.limits) == (order.attempt, order.limits)
        assert order.attempt <= self._attempts_max(kept, waiting), "more attempts than the policy allows"
        body = order.body or (open_before and open_before.body)
        assert body is not None, "a retry has the body of the attempt before"
        kept.task = OpenTask(attempt=order.attempt, limits=order.limits, body=body, not_before=order.not_before)
        if isinstance(waiting, OnUndo) and order.body is not None:
            self._reach(waiting)

    def _attempts_max(self, kept: Kept, waiting: OnTask | OnUndo) -> int:
        if isinstance(waiting, OnUndo):
            undo = self.undos[-1][1][waiting.index]
            state = self.program.machines[undo.machine].states[undo.state]
            assert isinstance(state, TaskState)
            assert state.compensate is not None
            policies = state.compensate.retry
        else:
            state = self.program.machines[kept.around.machine].states[kept.scope.state or ""]
            assert isinstance(state, TaskState)
            policies = state.retry
        return 1 + sum(policy.attempts - 1 for policy in policies)

    def _reach(self, waiting: OnUndo) -> None:
        """It is an undo's turn: the newest that has not run, or the same again when an operator wants it."""
        assert not self.leases(), "an undo began while a worker was at work"
        undo = self.undos[-1][1][waiting.index]
        if self.undone and self.undone[-1] is undo:
            return
        self._pass_void()
        assert undo is self.noted[-1 - len(self.undone)], "undos run in the reverse order of their noting"
        self.undone.append(undo)

    def _pass_void(self) -> None:
        """Undos noted with an error are void where a later one of their visit has run, or had nothing to run."""
        settled = {undo.visit for undo in self.undone if undo.settles}
        while len(self.undone) < len(self.noted):
            undo = self.noted[-1 - len(self.undone)]
            if undo.runs and (undo.error is None or undo.visit not in settled):
                break
            if undo.settles:
                settled.add(undo.visit)
            self.undone.append(undo)

    def _drop_task(self, kept: Kept, left: View | None) -> None:
        if kept.task is not None and kept.task.leased:
            self.dead_leases.append(Dead(path=kept.scope.path, attempt=kept.task.attempt, left=left))
        kept.task = None

    # --- joins ------------------------------------------------------------------------------------------------------

    def _fork(self, path: str, order: ForkScopes) -> None:
        assert (path, order.number) not in self.joins, "a fork's number is used once"
        assert order.number == self.scopes[path].scope.forks - 1
        assert 0 < order.need <= order.total
        assert order.tolerated >= 0
        assert order.window >= 1
        self.joins[path, order.number] = Join(order=order)
        if order.machines == (FINALLY,):
            assert path == ROOT
            assert not self.finishes, "finally runs once"
            assert (
                self.declined
                or self._declines()
                or order.ending == {"status": "finished", "error": None}
                or (not self.undos)
            ), "finally began before all was undone"
            self.finishes = True

    def _end(self, path: str, ended: ScopeEnded, waiting: Waiting) -> None:
        kept = self.scopes[path]
        kept.is_open = False
        self._set_wait(kept, None)
        self._leave_child(kept)
        for (owner, number), join in self.joins.items():
            if owner == path and not join.closed:
                self._close(fork_path(owner, number))
        if path == ROOT:
            self._end_job(ended, waiting)
            return
        parent, number, index = parent_of(path)
        join = self.joins[parent, number]
        join.live -= 1
        if ended.error is None:
            join.ok += 1
            join.outputs[index] = ended.output
            join.winner = index if join.winner is None else join.winner
            assert not ended.tells
        else:
            join.failed += 1
            assert ended.tells == self._reads_failures(parent), "an error is told where it is read, and only there"
            if ended.tells:
                join.errors[index] = ended.error
        self._judge(join, ended.error)

    def _reads_failures(self, path: str) -> bool:
        kept = self.scopes[path]
        block = self.program.machines[kept.around.machine].states.get(kept.scope.state or "")
        return isinstance(kept.scope.waiting, OnFork) and isinstance(block, BlockState) and block.reads_failures

    def _judge(self, join: Join, error: Error | None) -> None:
        order = join.order
        word = join_word(total=order.total, need=order.need, tolerated=order.tolerated, ok=join.ok, failed=join.failed)
        if word is None or join.verdict is not None:
            return
        met = word == "met"
        join.verdict = JoinDecided(
            number=order.number, met=met, ok=join.ok, failed=join.failed, error=None if met else error
        )

    def _end_job(self, ended: ScopeEnded, waiting: Waiting) -> None:
        assert self.ended is None, "a job ends once"
        assert ended.status in ENDED
        if ended.status is not Status.FINISHED and not self.declined and not self._declines():
            assert not self.undos, "the job ended before it had undone what it did"
            self._pass_void()
            assert len(self.undone) == len(self.noted)
            assert self.effects <= {undo.visit for undo in self.noted}, "an undo is lost"
            assert isinstance(waiting, OnUnwind | OnFinally) or not self.noted
        root = self.scopes[ROOT].scope
        assert RESULT not in root.outputs
        if isinstance(waiting, OnFinally):
            assert (waiting.status, waiting.error) == (ended.status, ended.error), "finally changed the end"
        else:
            due = self.program.finally_time is not None and root.visit > 0
            assert not due or root.finally_error is not None, "a job ended without its finally"
        self.ended = ended
        self.head = replace(self.head, status=ended.status)
        self._close(ROOT)

    def _declines(self) -> bool:
        scope = self.scopes[ROOT].scope
        state = self.program.machines[""].states.get(scope.state or "")
        return isinstance(state, FailState) and not state.compensate

    def _close(self, fence: str) -> None:
        """End all that is below a fork, or the whole job."""
        for path, kept in self.scopes.items():
            if path != ROOT and covers(fence, path) and kept.is_open:
                kept.is_open = False
                kept.timer = None
                self._drop_task(kept, self._left(kept))
                self._set_wait(kept, None)
                self._leave_child(kept)
        for (owner, number), join in self.joins.items():
            if covers(fence, fork_path(owner, number)):
                join.closed = True

    # --- what must always be true -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Hold the job to what must be true after every commit."""
        if self.ended is None:
            self._check_signals()
        for path in self.open_scopes():
            assert self._has_reason_to_move(path), f"{path} is stuck: {self.scopes[path].scope.waiting}"
        for (owner, number), join in self.joins.items():
            if not join.closed:
                live = [p for p in self.open_scopes() if p != ROOT and parent_of(p)[:2] == (owner, number)]
                assert join.live == len(live), "a join's counter is not true"
                assert join.begun == join.ok + join.failed + join.live

    def _has_reason_to_move(self, path: str) -> bool:
        kept = self.scopes[path]
        match kept.scope.waiting:
            case OnTask(attempt=attempt) | OnUndo(attempt=attempt):
                parked = path == ROOT and isinstance(kept.scope.waiting, OnUndo) and self.is_parked
                return parked or (kept.task is not None and kept.task.attempt == attempt)
            case OnTimer() | OnRetry() | OnStart():
                return kept.timer is not None
            case OnSignal() as waiting:
                assert kept.mail is not None or (kept.timer is not None) == (waiting.deadline is not None)
                return kept.waits == waiting.signal or (kept.mail is not None and kept.mail.to == waiting.signal)
            case OnApproval() as waiting:
                assert kept.timer == waiting.due_at
                assert kept.scope.visit == waiting.visit
                return kept.waits == waiting.signal or (kept.mail is not None and kept.mail.to == waiting.signal)
            case OnChild() as waiting:
                assert kept.timer == waiting.due_at
                assert (kept.child or "") == waiting.job
                return (waiting.until is None) == (kept.child is not None)
            case OnFork(number=number):
                join = self.joins[path, number]
                return not join.closed and (join.live > 0 or join.may_begin or join.verdict is not None)
            case OnFinally(number=number):
                join = self.joins[path, number]
                moves = not join.closed and (join.live > 0 or join.may_begin or join.verdict is not None)
                return moves and kept.timer is not None
            case OnUnwind():
                return kept.timer is not None or not self.unwind_told
            case None:
                return (path == ROOT and self.head.status is Status.QUARANTINED) or kept.scope.version == 0
        return False

    def check_end(self) -> None:
        """Hold the job to what must be true of all of its history."""
        for path, kept in self.scopes.items():
            assert len(kept.changes) == kept.scope.version, "a version counts commits"
            assert fold(kept.changes) == kept.record, f"the fold of the history of {path} is not its state"


def _refused(change: Change) -> StartJob | None:
    """The first job of a decision whose input does not fit."""
    return next((order for order in change.jobs if crc32(order.job.encode()) % REFUSED_EACH == 0), None)


def _begins_undo(before: Waiting, after: Waiting) -> bool:
    """Whether an undo begins, which is a visit of its own; one that is tried again is the same visit."""
    if not isinstance(after, OnUndo):
        return False
    return not isinstance(before, OnUndo) or (before.seq, before.index) != (after.seq, after.index)


def _timer(change: Change, now: datetime) -> datetime | None:
    """When the scope is to be woken, as the shell works it out."""
    match change.scope.waiting:
        case OnTimer(until=until) | OnStart(until=until):
            return until
        case OnFork(deadline=deadline) | OnSignal(deadline=deadline) | OnFinally(deadline=deadline):
            return deadline
        case OnApproval() | OnChild() as waiting:
            return waiting.due_at
        case OnRetry(until=until, deadline=deadline):
            return until if deadline is None else min(until, deadline)
        case OnUnwind() if change.undone_seq is not None:
            return now
        case _:
            return None


def _texts(record: dict[str, Any]) -> dict[str, bytes]:
    """The fields of a record to the letter: inside of a field the order of keys is content, too."""
    return {key: dumps(value) for key, value in record.items()}
