"""Word the causes for which a job does not move: what it waits for, in which scope, and what to do about it.

Nothing here asks anybody: `why` collects the facts. A cause's code is for programs and does not change; its text says
what was found, its hint what helps; `details` holds the same as values. Hints name commands that a reader can copy.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import CALL
from avtomat.core.scope import ROOT
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.core.waiting import OnFinally, OnRetry, OnSignal, OnStart, OnTimer, OnUndo, OnUnwind
from avtomat.runtime.work.matching import lacks
from avtomat.storage.port.answers import Below, Held, OpenTask
from avtomat.storage.port.codec import loads
from avtomat.suggest import did_you_mean

NEAREST_SHOWN_MAX: Final = 3
NAMES_SHOWN_MAX: Final = 10

_LEAVING: Final = {
    "draining": "draining: it finishes its tasks and takes no more",
    "offline": "offline: it said that it stops",
}


@value
class Waiter:
    """Where something waits: the job, the scope's path, and the path of its state as errors have it."""

    job: str
    scope: str
    state: str | None


@value
class Worker:
    """A worker for which somebody could wait: what it registered, and the kinds that it takes (those that it polled
    for last, if this replica knows, else those that it registered). `leaving`: it said here that it stops. `few`: how
    many tasks it may have at a time, for it is on probation; 0: it is not.
    """

    name: str
    record: Mapping[str, Json]
    registered: tuple[str, ...]
    polled: tuple[str, ...] | None
    leaving: str | None = None
    few: int = 0


def cause(waiter: Waiter, code: str, text: str, hint: str, **details: Json) -> dict[str, Json]:
    """One cause, as it is answered."""
    return {
        "scope": waiter.scope,
        "state": waiter.state,
        "cause": code,
        "text": text,
        "hint": hint,
        "details": details,
    }


# --- the whole job ----------------------------------------------------------------------------------------------------


def ended(waiter: Waiter, status: str, at: datetime) -> dict[str, Json]:
    """It moves no more."""
    text = f"the job is {status} since {format_time(at)}"
    return cause(waiter, "ended", text, f"to run it again, as a new job: {_command(waiter, 'rerun')}", status=status)


def paused(waiter: Waiter, entry: Mapping[str, Json] | None) -> dict[str, Json]:
    """An operator holds it; `entry` of its history says who."""
    known = entry or {}
    by, reason, since = known.get("by"), known.get("reason"), known.get("at")
    text = "the job is paused" + (f" by {by}" if by else "") + (f" since {since}" if since else "")
    text += f": {reason}" if reason else ""
    hint = f"to let it go on: {_command(waiter, 'resume')}"
    return cause(waiter, "paused", text, hint, by=by, reason=reason, since=since)


def quarantined(waiter: Waiter, error: Mapping[str, Json] | None) -> dict[str, Json]:
    """It is parked for an operator."""
    known = error or {}
    code, message, where = known.get("code"), known.get("message"), known.get("state")
    text = f"the job is quarantined because of {code or 'an unknown error'}" + (f" in {where}" if where else "")
    text += f": {message}" if message else ""
    if code == "COMPENSATION_FAILED":
        hint = (
            f"fix what the undo needs, then {_command(waiter, 'retry')}; to count it as run: {_command(waiter, 'skip')}"
        )
    else:
        hint = (
            f"fix what failed, then {_command(waiter, 'retry')}; with other variables: "
            f"{_command(waiter, 'release')} --data JSON; to skip it: {_command(waiter, 'skip')} --output JSON"
        )
    return cause(waiter, "quarantined", text, hint, error=error)


def draining(waiter: Waiter) -> dict[str, Json]:
    """The engine that was asked hands out nothing."""
    hint = "ask another engine of this store, or wait until this one is back"
    return cause(waiter, "engine_draining", "this engine is stopping and hands out no more tasks", hint)


# --- times ------------------------------------------------------------------------------------------------------------


def start_at(waiter: Waiter, waiting: OnStart) -> dict[str, Json]:
    """It was accepted for a later time."""
    until = format_time(waiting.until)
    hint = "it begins by itself; to begin now, cancel it and submit it without start_at"
    return cause(waiter, "start_at", f"the job starts at {until}", hint, until=until)


def timer(waiter: Waiter, waiting: OnTimer) -> dict[str, Json]:
    """A time is awaited."""
    until = format_time(waiting.until)
    hint = "it goes on by itself" + (f"; to go on now: {_command(waiter, 'skip')}" if waiter.scope == ROOT else "")
    return cause(waiter, "timer", f"waits until {until}", hint, until=until)


def signal_awaited(waiter: Waiter, waiting: OnSignal) -> dict[str, Json]:
    """A message from outside is awaited."""
    name, until = waiting.address.partition("#")[0], None
    text = f"waits for the signal {name}" + (f" with the key {waiting.key}" if waiting.key else "")
    if waiting.deadline is not None:
        until = format_time(waiting.deadline)
        text += f" until {until}"
    key = f" --key {shlex.quote(waiting.key)}" if waiting.key else ""
    hint = f"to send it: avtomat signal {waiter.job} {name}{key} --payload JSON"
    return cause(waiter, "signal", text, hint, signal=name, key=waiting.key or None, until=until)


def decision_awaited(waiter: Waiter, waiting: OnApproval, choices: Sequence[str]) -> dict[str, Json]:
    """People are asked."""
    until = None if waiting.deadline is None else format_time(waiting.deadline)
    who = ", ".join(waiting.assignees[:NAMES_SHOWN_MAX]) or "anybody who may operate the job"
    more = len(waiting.assignees) - NAMES_SHOWN_MAX
    text = f"waits for a decision of {who}{f' and {more} more' if more > 0 else ''}" + (
        f" until {until}" if until else ""
    )
    asked = f"{waiter.job} {shlex.quote(waiter.state or waiter.scope)}"
    hint = f"to decide: avtomat approvals decide {asked} --choice {'|'.join(map(shlex.quote, choices))}; "
    hint += f"the question, and the links: avtomat approvals show {asked}"
    return cause(
        waiter,
        "approval",
        text,
        hint,
        visit=waiting.visit,
        choices=choices,
        assignees=waiting.assignees,
        until=until,
        reminders=waiting.reminders,
    )


def block_retry(waiter: Waiter, waiting: OnRetry) -> dict[str, Json]:
    """A block failed and begins again later."""
    until = format_time(waiting.until)
    text = f"the block failed; attempt {waiting.attempt} begins at {until}"
    hint = "it begins by itself; the job's history says what failed"
    return cause(waiter, "block_retry", text, hint, until=until, attempt=waiting.attempt)


def delayed(waiter: Waiter, task: OpenTask, error: Mapping[str, Json] | None) -> dict[str, Json]:
    """An attempt failed, and the next one is not yet due."""
    until = None if task.due_ms is None else format_time(from_ms(task.due_ms))
    failed, kind = task.attempt - 1, kind_of(task)
    code = None if error is None else error["code"]
    said = f" with {code}" if code else ""
    if kind == CALL and error is not None and error["message"]:
        kind, said = "its request", f": {error['message']}"
    text = f"attempt {failed} of {kind} failed{said}; the next one follows at {until}"
    hint = f"it is tried again by itself; without waiting: {_command(waiter, 'rerun')}"
    return cause(waiter, "retry_delayed", text, hint, kind=kind, attempt=task.attempt, until=until, error=error)


# --- tasks ------------------------------------------------------------------------------------------------------------


def running(waiter: Waiter, task: OpenTask, leaving: str | None) -> dict[str, Json]:
    """A worker holds the task; `leaving`: it said that it stops."""
    since = format_time(from_ms(task.since_ms))
    until = None if task.lease_until_ms is None else format_time(from_ms(task.lease_until_ms))
    due = None if task.due_ms is None else format_time(from_ms(task.due_ms))
    progress = None if task.progress is None else loads(task.progress)
    holder, held = ("replica", "its request") if kind_of(task) == CALL else ("worker", kind_of(task))
    text = f"{holder} {task.worker} holds attempt {task.attempt} of {held} since {since}"
    if progress and progress.get("progress") is not None:
        said = f", {progress['message']}" if progress.get("message") else ""
        text += f" ({progress['progress']:.0%}{said})" if isinstance(progress["progress"], int | float) else said
    text += f"; the worker is {_LEAVING[leaving]}" if leaving is not None else ""
    return cause(
        waiter,
        "running",
        text,
        _hint_of_running(task, until, due),
        kind=kind_of(task),
        attempt=task.attempt,
        worker=task.worker,
        worker_status=leaving,
        since=since,
        lease_until=until,
        due=due,
        progress=progress,
    )


def _hint_of_running(task: OpenTask, until: str | None, due: str | None) -> str:
    """What ends the attempt first, if its worker does not: its time, or the end of its lease."""
    if task.due_ms is not None and (task.lease_until_ms is None or task.due_ms <= task.lease_until_ms):
        return f"wait for it; at {due} its time is over, whatever its worker says, and its policy decides"
    later = "" if due is None else f"; its time is over at {due}"
    return f"wait for it; if its heartbeats stop, the attempt is lost at {until} and retried by its policy{later}"


def queued(
    waiter: Waiter, task: OpenTask, asked: Mapping[str, Json], workers: Sequence[Worker], others: int
) -> dict[str, Json]:
    """A task that nobody has taken: why not. `others` are in its queue beside it."""
    kind = kind_of(task)
    if kind == CALL:
        return _call_queued(waiter, others)
    able = [each for each in workers if kind in (*each.registered, *(each.polled or ()))]
    if not able:
        return _no_worker(waiter, kind, workers)
    left = [each for each in able if each.leaving is not None]
    able = [each for each in able if each.leaving is None]
    if not able:
        return _all_left(waiter, kind, left)
    fit = [each for each in able if next(lacks(each.record, asked, kind), None) is None]
    if not fit:
        return _none_fits(waiter, kind, asked, able)
    if all(each.polled is not None and kind not in each.polled for each in fit):
        return _not_polled(waiter, kind, fit)
    names = [each.name for each in fit[:NAMES_SHOWN_MAX]]
    few = {each.name: each.few for each in fit[:NAMES_SHOWN_MAX] if each.few}
    beside = f"with {_counted(others, 'other task')} of this kind"
    shown = [name + (f" (on probation, at most {few[name]} at a time)" if name in few else "") for name in names]
    text = f"{kind} is queued {beside}, for {_counted(len(fit), 'worker')}: {', '.join(shown)}"
    hint = "higher priority goes first, then first come; more workers or more concurrency shorten the queue"
    if few:
        hint += "; why a worker is on probation: avtomat workers show NAME"
    return cause(waiter, "queued", text, hint, kind=kind, others=others, workers=names, probation=list(few))


def _call_queued(waiter: Waiter, others: int) -> dict[str, Json]:
    """A request that no replica has taken."""
    text = f"its request is queued with {_counted(others, 'other call')}: no replica has had room for it"
    hint = "a replica takes it by itself; the setting calls_at_once limits how many it makes at a time"
    return cause(waiter, "call_queued", text, hint, others=others)


def _no_worker(waiter: Waiter, kind: str, workers: Sequence[Worker]) -> dict[str, Json]:
    kinds = sorted({known for each in workers for known in (*each.registered, *(each.polled or ()))})
    text = f"no worker takes tasks of the kind {kind}; registered: {_counted(len(workers), 'worker')}"
    meant = did_you_mean(kind, kinds)
    near = [each for each in workers if meant in each.registered] if meant else []
    if meant:
        names = ", ".join(each.name for each in near[:NEAREST_SHOWN_MAX])
        text += f"; {names or 'one'} takes {meant}"
    hint = f"start a worker for {kind}" + (f"; did you mean {meant}?" if meant else "")
    nearest = [{"worker": each.name, "lacks": [f"the kind {kind}"]} for each in (near or workers)[:NEAREST_SHOWN_MAX]]
    return cause(waiter, "no_worker", text, hint, kind=kind, kinds_known=kinds[:NAMES_SHOWN_MAX], nearest=nearest)


def _all_left(waiter: Waiter, kind: str, left: Sequence[Worker]) -> dict[str, Json]:
    """The workers of the kind said that they stop."""
    words = {each.name: each.leaving for each in left[:NAMES_SHOWN_MAX]}
    named = ", ".join(f"{name} is {_LEAVING[word]}" for name, word in words.items() if word is not None)
    text = f"no worker takes tasks of the kind {kind} any more: {named}"
    return cause(waiter, "workers_left", text, f"start a worker for {kind}", kind=kind, workers=words)


def _none_fits(waiter: Waiter, kind: str, asked: Mapping[str, Json], able: Sequence[Worker]) -> dict[str, Json]:
    """The workers of the kind lack something that the task asks for: those that lack least come first."""
    lacking = [(each.name, list(lacks(each.record, asked, kind))) for each in able]
    lacking.sort(key=lambda pair: (len(pair[1]), pair[0]))
    nearest = [{"worker": name, "lacks": missing} for name, missing in lacking[:NEAREST_SHOWN_MAX]]
    name, missing = lacking[0]
    text = (
        f"of {_counted(len(able), 'worker')} for {kind} none has what the task asks for; "
        f"nearest is {name}: {'; '.join(missing)}"
    )
    hint = "start a worker that has it, or ask for less under `worker` in the blueprint"
    return cause(waiter, "no_fitting_worker", text, hint, kind=kind, asked=asked, nearest=nearest)


def _not_polled(waiter: Waiter, kind: str, fit: Sequence[Worker]) -> dict[str, Json]:
    polled = {each.name: list(each.polled or ()) for each in fit[:NAMES_SHOWN_MAX]}
    text = f"{', '.join(polled)} registered {kind}, but asks for other tasks when polling"
    hint = f"its polls must name {kind} in available_skills, or name no kinds"
    return cause(waiter, "not_polled", text, hint, kind=kind, polled=polled)


# --- blocks and undos -------------------------------------------------------------------------------------------------


def branches(waiter: Waiter, below: Below, shown: int) -> dict[str, Json]:
    """Bodies are awaited; of `shown` the causes follow."""
    waiting = below.total - below.begun
    text = f"waits for {below.live} of {below.total} bodies: {below.ok} ended well, {below.failed} failed"
    text += f", {waiting} wait for room" if waiting else ""
    left = below.live - shown
    hint = "see what each of them waits for" + (f"; {left} more are not shown" if left > 0 else "")
    return cause(
        waiter,
        "branches",
        text,
        hint,
        total=below.total,
        live=below.live,
        ok=below.ok,
        failed=below.failed,
        not_begun=waiting,
        not_shown=max(0, left),
    )


def leases_awaited(waiter: Waiter, waiting: OnUnwind, held: Iterable[Held]) -> dict[str, Json]:
    """Undos may not run while a worker may be at work."""
    leases = [
        {"task_id": each.task_id, "worker": each.worker, "lease_until": format_time(from_ms(each.until_ms))}
        for each in held
    ]
    names = ", ".join(f"{each['worker']} (until {each['lease_until']})" for each in leases[:NAMES_SHOWN_MAX])
    text = f"the job will be {waiting.status}; before it undoes what it did, "
    text += f"it waits for workers that were asked to cancel: {names}" if leases else "it is about to begin"
    hint = "they answer, or their leases end; then the undos begin by themselves"
    return cause(waiter, "leases_awaited", text, hint, then=waiting.status, leases=leases)


def finishing(waiter: Waiter, waiting: OnFinally) -> dict[str, Json]:
    """The job has come to its end, and its `finally` is under way."""
    until = None if waiting.deadline is None else format_time(waiting.deadline)
    text = f"the job ends as {waiting.status} once its finally has run, which has until {until}"
    hint = f"it ends by itself; to end it now, without the rest of finally: {_command(waiter, 'skip')}"
    return cause(waiter, "finishing", text, hint, then=waiting.status, until=until)


def compensating(waiter: Waiter, waiting: OnUndo, undone: str | None, kind: str | None) -> dict[str, Json]:
    """An undo is under way: that of the state `undone`, by a task of this kind."""
    what = f"the undo of {undone}" if undone else "an undo"
    then, task = waiting.unwind.status, f" of {kind}" if kind else ""
    text = f"the job will be {then}; {what}, attempt {waiting.attempt}{task}, is under way"
    hint = f"see what its task waits for; to end without undoing: {_command(waiter, 'cancel')} --no-compensate"
    return cause(waiter, "compensating", text, hint, undo=undone, kind=kind, attempt=waiting.attempt, then=then)


def moving(waiter: Waiter) -> dict[str, Json]:
    """Nothing holds it: it goes on within moments."""
    text = "nothing blocks it: its next step is due now"
    hint = "ask again in a second; if the answer is the same, no engine of this store does what is due: see the logs"
    return cause(waiter, "moving", text, hint)


# --- words ------------------------------------------------------------------------------------------------------------


def kind_of(task: OpenTask) -> str:
    """The kind of a task, from the name of its queue."""
    return task.queue.partition("#")[0]


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _command(waiter: Waiter, action: str) -> str:
    return f"avtomat jobs {action} {waiter.job}"
