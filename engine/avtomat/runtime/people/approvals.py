"""Take decisions of people: check them against what is asked, and put the first of each visit into the job's mailbox.

The mail of all decisions for one visit has one id, so that the store takes the first and knows the others for what they
are. It is addressed to this visit of this scope alone: where the state was left meanwhile, nobody is waiting, and
nothing else can take it. A decision that does not fit is refused before anything is used up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from avtomat.core.awaited_decision import address_of
from avtomat.core.formula import Json
from avtomat.core.messages import ApprovalDecided
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.people.asking import Asked, Questions, asked_in
from avtomat.runtime.people.links import Claim, Links
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.answers import Delivered, HistoryEntry, JobRow, Outcome
from avtomat.storage.port.codec import dumps, loads
from avtomat.storage.port.rules import cause_word
from avtomat.storage.port.store import SENDER_IDS_MAX, Store
from avtomat.storage.port.writes import Mail, MailCause

COMMENT_CHARACTERS_MAX: Final = 4_000
FORM_BYTES_MAX: Final = 64 * 1024
ENTRIES_LOOKED_BACK_MAX: Final = 1_000
"""So far back in a job's history it is looked who decided."""

LOOKS: Final = 4
LOOK_AGAIN_S: Final = 0.05
"""A decision that another replica is writing is looked for so often, and so far apart."""

FindRow = Callable[[str, str | None], Awaitable[JobRow | None]]
"""Finds a job that a client may see."""


@value
class Decider:
    """Who decides: by which name, `via` what (api, link), from which address; `operates` is free to decide for all."""

    name: str
    operates: bool
    via: str
    origin: str = ""


@value
class Answer:
    """What somebody decides. `visit` None is the one that is open now."""

    choice: str
    comment: str = ""
    form: Json = None
    visit: int | None = None


class Approvals:
    """Brings decisions to jobs, and shows what is asked. `client` None reads as an admin."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        scopes: Scopes,
        row: FindRow,
        histories: Histories,
        links: Links,
    ) -> None:
        self._store = store
        self._executor = executor
        self._questions = Questions(store, scopes)
        self._row = row
        self._histories = histories
        self._links = links

    # --- showing ------------------------------------------------------------------------------------------------------

    async def open_of(
        self, job_id: str, client: str | None, reader: Decider, *, links: bool = False
    ) -> dict[str, Json] | None:
        """The open questions of a job; None when there is no such job that this client may see. With `links` each has
        those that this reader may have: all of them, or the one of their own.
        """
        row = await self._row(job_id, client)
        if row is None:
            return None
        found, is_all = await self._questions.all_of(job_id)
        shown = [
            {**asked.as_json(), "links": self._links_of(asked, reader)} if links else asked.as_json() for asked in found
        ]
        return {"job_id": job_id, "approvals": shown, "complete": is_all}

    async def asked_by(self, claim: Claim) -> Asked:
        """The question that a link is for. Raises RequestRefused: 410 approval.gone, 409 approval.decided."""
        row = await self._row(claim.job, None)
        if row is None:
            raise _gone(claim.scope, claim.visit)
        return await self._of_visit(row, claim.scope, claim.visit)

    def claim(self, token: str) -> Claim | None:
        """What the token of a link is for, if it is one of this installation's."""
        return self._links.claim(token)

    def _links_of(self, asked: Asked, reader: Decider) -> dict[str, str]:
        job, scope, visit = asked.kept.head.job, asked.scope, asked.waiting.visit
        made = {
            name: self._links.link(Claim(job=job, scope=scope, visit=visit, assignee=name))
            for name in asked.waiting.assignees
            if reader.operates or name == reader.name
        }
        return {name: link for name, link in made.items() if link is not None}

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def decide(
        self, job_id: str, client: str | None, name: str, answer: Answer, by: Decider
    ) -> dict[str, Json] | None:
        """Decide what the state at the path `name`, or the scope of that path, asks; None when there is no such job
        that this client may see. `status` is decided, or accepted for a job that does not move now.

        Raises RequestRefused: 404 approval.not_found, 409 approval.decided, 410 approval.gone, 403
        approval.not_assigned, 422 approval.invalid, 413 approval.too_large, 429 job.mailbox_full.
        """
        row = await self._row(job_id, client)
        if row is None:
            return None
        kept = await self._questions.named(job_id, name)
        asked = None if kept is None else asked_in(kept)
        if asked is None:
            raise await self._not_open(row, name, answer.visit)
        if answer.visit is not None and answer.visit != asked.waiting.visit:
            raise await self._refusal(row, asked.scope, answer.visit)
        return await self._decide(row, asked, answer, by)

    async def decide_by(self, claim: Claim, answer: Answer, origin: str) -> dict[str, Json]:
        """Decide by a link; the refusals are those of `decide` and `asked_by`."""
        row = await self._row(claim.job, None)
        if row is None:
            raise _gone(claim.scope, claim.visit)
        asked = await self._of_visit(row, claim.scope, claim.visit)
        by = Decider(name=claim.assignee, operates=False, via="link", origin=origin)
        return await self._decide(row, asked, answer, by)

    async def _of_visit(self, row: JobRow, scope: str, visit: int) -> Asked:
        kept = await self._questions.scope(row.job, scope)
        asked = None if kept is None else asked_in(kept)
        if asked is None or asked.waiting.visit != visit:
            raise await self._refusal(row, scope, visit)
        return asked

    async def _decide(self, row: JobRow, asked: Asked, answer: Answer, by: Decider) -> dict[str, Json]:
        if not by.operates and by.name not in asked.waiting.assignees:
            text = f"{by.name} is none of those who are asked here"
            raise RequestRefused(text, status=403, code="approval.not_assigned")
        event = _checked(asked, answer, by)
        mail = _mail_of(asked, event)
        match await repeat(lambda: self._store.deliver(row.job, mail)):
            case Delivered.OK:
                handled = await self._executor.handle(row.job, asked.scope, MailCause(id=mail.id), event)
                if handled.answer.outcome is Outcome.PARKED:
                    return _told(row, asked, event, "accepted")
            case Delivered.FULL:
                raise _full()
            case Delivered.DUPLICATE | Delivered.CLOSED | Delivered.UNKNOWN:
                self._executor.mail_came()
        entry = await self._entry_soon(row, mail)
        if entry is None:
            raise await self._unwritten(row, asked)
        if loads(entry.record).get("id") != event.id:
            raise _decided(entry)
        return {**_told(row, asked, event, "decided"), "decided_at": format_time(from_ms(entry.at_ms))}

    async def _unwritten(self, row: JobRow, asked: Asked) -> RequestRefused:
        """Why a decision is in no history: another waits for a job that does not move, or the state was left."""
        kept = await self._questions.scope(row.job, asked.scope)
        now = None if kept is None else asked_in(kept)
        is_open = now is not None and now.waiting.visit == asked.waiting.visit
        return _decided(None) if is_open else _gone(asked.scope, asked.waiting.visit)

    # --- who decided --------------------------------------------------------------------------------------------------

    async def _entry_soon(self, row: JobRow, mail: Mail) -> HistoryEntry | None:
        """The entry of this mail, which may be written at this moment."""
        cause = cause_word(MailCause(id=mail.id), 0)
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_AGAIN_S)
            fresh = await self._row(row.job, None)
            found = None if fresh is None else await self._entry(fresh, lambda entry: entry.cause == cause)
            if found is not None:
                return found
        return None

    async def _entry(self, row: JobRow, fits: Callable[[HistoryEntry], bool]) -> HistoryEntry | None:
        """The last entry that fits, of the newest of a job."""
        after = max(0, row.seq - ENTRIES_LOOKED_BACK_MAX)
        entries = await self._histories.entries(row.job, after, ENTRIES_LOOKED_BACK_MAX, row.seq)
        return next((entry for entry in reversed(entries) if fits(entry)), None)

    async def _refusal(self, row: JobRow, scope: str, visit: int) -> RequestRefused:
        """Why a visit cannot be decided: it was, or it is over."""
        cause = cause_word(MailCause(id=_mail_id(scope, visit)), 0)
        entry = await self._entry(row, lambda entry: entry.cause == cause)
        return _gone(scope, visit) if entry is None else _decided(entry)

    async def _not_open(self, row: JobRow, name: str, visit: int | None) -> RequestRefused:
        """Why a name is none of an open question: what it names was decided, or is not asked."""

        def decided(entry: HistoryEntry) -> bool:
            if not entry.cause.startswith(_CAUSE):
                return False
            record = loads(entry.record)
            return name in (record.get("state"), entry.path) and visit in (None, record.get("visit"))

        entry = await self._entry(row, decided)
        if entry is not None:
            return _decided(entry)
        found, _ = await self._questions.all_of(row.job)
        hint = (
            f"open are: {', '.join(asked.place for asked in found[:10])}" if found else "nothing is asked in this job"
        )
        text = f"nothing is asked by {name[:80]!r} in job {row.job}"
        return RequestRefused(text, status=404, code="approval.not_found", hint=hint)


# --- mail -------------------------------------------------------------------------------------------------------------


def _mail_id(scope: str, visit: int) -> str:
    return f"approval:{scope}@{visit}"


_CAUSE: Final = cause_word(MailCause(id="approval:"), 0)
"""How the causes of entries begin that a decision made."""


def _mail_of(asked: Asked, event: ApprovalDecided) -> Mail:
    fields = {name: getattr(event, name) for name in ApprovalDecided.__dataclass_fields__}
    address, key = address_of(asked.scope, event.visit)
    return Mail(
        id=_mail_id(asked.scope, event.visit),
        kind="approval",
        body=dumps(fields),
        to=("signal", address, key),
        sender=event.by,
    )


def _checked(asked: Asked, answer: Answer, by: Decider) -> ApprovalDecided:
    """The decision, if it is one of those that are asked for, with a form that is complete."""
    if answer.choice not in asked.state.choices:
        text = f"{answer.choice[:80]!r} is none of the choices: {', '.join(asked.state.choices)}"
        raise RequestRefused(text, status=422, code="approval.invalid", pointer="/choice")
    if len(answer.comment) > COMMENT_CHARACTERS_MAX:
        text = f"the comment has {len(answer.comment)} characters, at most {COMMENT_CHARACTERS_MAX} are taken"
        raise RequestRefused(text, status=422, code="approval.invalid", pointer="/comment")
    if asked.state.form is None and answer.form is not None:
        raise RequestRefused("this state has no form", status=422, code="approval.invalid", pointer="/form")
    size = len(dumps(answer.form))
    if size > FORM_BYTES_MAX:
        text = f"the form takes {size} bytes, at most {FORM_BYTES_MAX} are taken"
        raise RequestRefused(text, status=413, code="approval.too_large")
    form = asked.state.completed(answer.form)
    errors = [{"pointer": f"/form{pointer}", "message": message} for pointer, message in asked.state.problems(form)]
    if errors:
        raise _misfit(errors)
    return ApprovalDecided(
        visit=asked.waiting.visit,
        choice=answer.choice,
        by=by.name,
        comment=answer.comment,
        form=form,
        state=asked.place,
        via=by.via,
        origin=by.origin,
        id=secrets.token_hex(8),
    )


def _told(row: JobRow, asked: Asked, event: ApprovalDecided, status: str) -> dict[str, Json]:
    return {
        "job_id": row.job,
        "state": asked.place,
        "scope": asked.scope,
        "visit": event.visit,
        "choice": event.choice,
        "by": event.by,
        "status": status,
    }


# --- refusals ---------------------------------------------------------------------------------------------------------


class AlreadyDecided(RequestRefused):
    """Somebody decided before: who, what and when, as far as the history that is looked at tells."""

    def __init__(self, decision: Mapping[str, Json]) -> None:
        by, choice, at = (decision.get(name) for name in ("by", "choice", "decided_at"))
        text = f"{by} decided at {at}: {choice}" if by else "a decision was made; it takes effect when the job goes on"
        super().__init__(text, status=409, code="approval.decided", details=decision)


def _decided(entry: HistoryEntry | None) -> RequestRefused:
    if entry is None:
        return AlreadyDecided({})
    record = loads(entry.record)
    known = {name: record.get(name) for name in ("by", "choice", "visit")}
    return AlreadyDecided(
        {**known, "comment": record.get("comment", ""), "decided_at": format_time(from_ms(entry.at_ms))}
    )


def _gone(scope: str, visit: int) -> RequestRefused:
    text = f"visit {visit} of scope {scope} waits for no decision any more"
    hint = "its time has passed, it was entered anew, or the job has ended; what is open now: GET …/approvals"
    return RequestRefused(text, status=410, code="approval.gone", hint=hint)


def _misfit(errors: Sequence[Mapping[str, str]]) -> RequestRefused:
    first = errors[0]
    text = f"the form is not what is asked for: {first['pointer']}: {first['message']}"
    return RequestRefused(text, status=422, code="approval.invalid", pointer=first["pointer"], errors=errors)


def _full() -> RequestRefused:
    text = (
        f"the job takes no more decisions of this person: it remembers {SENDER_IDS_MAX} signals and decisions of each"
    )
    return RequestRefused(text, status=429, code="job.mailbox_full")
