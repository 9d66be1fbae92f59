"""Take signals for jobs: check them against what the job may wait for, and put them into its mailbox.

A signal is kept until a state of the job waits for its name and key, and is used once. What no state of the job could
use is refused, and nothing is used up.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from avtomat.core.formula import Json, Problem
from avtomat.core.kinds.calls import RESERVED
from avtomat.core.kinds.signals import SignalState, key_problem
from avtomat.core.model import ENDED
from avtomat.core.program import Program
from avtomat.core.value import value
from avtomat.errors import RequestRefused
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.jobview import scope_of_row
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.answers import Delivered, JobRow
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.store import SENDER_IDS_MAX, Store
from avtomat.storage.port.writes import Mail
from avtomat.suggest import did_you_mean

PAYLOAD_BYTES_MAX: Final = 256 * 1024
ID_CHARACTERS_MAX: Final = 255
MAIL_DIGITS: Final = 32


FindRow = Callable[[str, str | None], Awaitable[JobRow | None]]
"""Finds a job that a client may see."""


@value
class Signal:
    """What a sender says. The same `id` of the same sender is the same signal of the job; an empty one is new each
    time.
    """

    name: str
    payload: Json = None
    key: str = ""
    id: str = ""


class Signals:
    """Brings signals to jobs. `client` None reads as an admin; `by` is who sends, for history and for its bound."""

    def __init__(self, store: Store, executor: Executor, row: FindRow, programs: Programs) -> None:
        self._store = store
        self._executor = executor
        self._row = row
        self._programs = programs

    async def send(self, job_id: str, client: str | None, signal: Signal, by: str) -> bool | None:
        """Deliver a signal: True when it is stored, False when its id was taken before, None when there is no such job
        that this client may see.

        Raises RequestRefused: 404 signal.not_found, 422 signal.invalid or request.invalid, 413 signal.too_large, 409
        job.state for a job that has ended, 429 job.mailbox_full.
        """
        _check(signal)
        row = await self._row(job_id, client)
        if row is None:
            return None
        if row.blueprint.startswith(RESERVED):  # its signals come from the engine alone, and are signed by it
            raise _unknown(signal.name, row.blueprint, ())
        address = _address_for(await self._programs.by_digest(row.digest), row, signal)
        identity = signal.id or secrets.token_hex(8)
        mail = Mail(
            id=f"signal:{_name_of(by, signal, identity)}",
            kind="signal",
            body=dumps({"name": signal.name, "payload": signal.payload, "id": identity, "by": by}),
            to=("signal", address, signal.key),
            sender=by,
        )
        delivered = await repeat(lambda: self._store.deliver(job_id, mail))
        match delivered:
            case Delivered.OK:
                self._executor.mail_came()
                return True
            case Delivered.DUPLICATE:
                return False
            case Delivered.FULL:
                raise _full()
            case Delivered.CLOSED:
                raise _ended(row.status)
            case Delivered.UNKNOWN:
                return None


def _check(signal: Signal) -> None:
    """Refuse what has no bound."""
    problem = key_problem(signal.key)
    if problem is not None:
        raise RequestRefused(problem, status=422, code="request.invalid", pointer="/key")
    if len(signal.id) > ID_CHARACTERS_MAX:
        text = f"an id has at most {ID_CHARACTERS_MAX} characters, this one {len(signal.id)}"
        raise RequestRefused(text, status=422, code="request.invalid", pointer="/id")
    size = len(dumps(signal.payload))
    if size > PAYLOAD_BYTES_MAX:
        text = f"the payload takes {size} bytes, a signal has at most {PAYLOAD_BYTES_MAX}"
        hint = "keep the data elsewhere, and send where it is"
        raise RequestRefused(text, status=413, code="signal.too_large", hint=hint)


def _address_for(program: Program, row: JobRow, signal: Signal) -> str:
    """The address of a state that this payload fits: the one that waits, if it fits there, else the first."""
    states = [state for state in program.states if isinstance(state, SignalState)]
    named = [state for state in states if state.signal == signal.name]
    if not named:
        raise _unknown(signal.name, row.blueprint, sorted({state.signal for state in states}))
    problems = {state.address: _problems(state, signal.payload) for state in named}
    fitting = [address for address, found in problems.items() if not found]
    if not fitting:
        raise _invalid(signal.name, next(iter(problems.values())))
    waiting = scope_of_row(row).waiting
    awaited = None if waiting is None else waiting.signal
    return awaited[0] if awaited is not None and awaited[0] in fitting else fitting[0]


def _problems(state: SignalState, payload: Json) -> Sequence[Problem]:
    return () if state.expects is None else state.expects.problems(payload)


def _name_of(by: str, signal: Signal, identity: str) -> str:
    """The id of the mail: one sender's ids are none of another's."""
    return sha256(dumps([by, signal.name, identity])).hexdigest()[:MAIL_DIGITS]


def _unknown(name: str, blueprint: str, known: Sequence[str]) -> RequestRefused:
    meant = did_you_mean(name, known)
    hint = f"it waits for: {', '.join(known)}" if known else "it waits for no signal"
    text = f"the blueprint {blueprint} of this job has no signal {name[:80]!r}"
    hint = f"did you mean {meant}?" if meant else hint
    return RequestRefused(text, status=404, code="signal.not_found", hint=hint)


def _invalid(name: str, problems: Sequence[Problem]) -> RequestRefused:
    errors: list[Mapping[str, str]] = [
        {"pointer": f"/payload{problem.pointer}", "message": problem.message} for problem in problems
    ]
    first = errors[0]
    text = f"the payload is not what the signal {name} expects: {first['pointer']}: {first['message']}"
    return RequestRefused(text, status=422, code="signal.invalid", pointer=first["pointer"], errors=errors)


def _ended(status: str) -> RequestRefused:
    word = status if status in ENDED else "over"
    return RequestRefused(f"the job is {word}: it takes no signals", status=409, code="job.state")


def _full() -> RequestRefused:
    text = f"the job takes no more signals from this sender: it remembers {SENDER_IDS_MAX} of them"
    return RequestRefused(text, status=429, code="job.mailbox_full")
