"""Bring mail into scopes' mailboxes, and signals to those who wait for them.

A signal is never lost between two scopes or two visits: it is in a mailbox, or it is kept for the next waiter for
SIGNAL_KEPT_MS from its arrival. Other mail stays in its mailbox until it is answered or its scope is closed.
"""

from __future__ import annotations

from bisect import insort

from avtomat.storage.memory.state import Job, Letter, Partition, Scope
from avtomat.storage.port.answers import Delivered
from avtomat.storage.port.rules import ROOT, LeftScope, counted_as, late_mail, packed_left, unwind_mail
from avtomat.storage.port.store import OPERATOR_MAIL, SIGNAL_KEPT_MS
from avtomat.storage.port.writes import Mail, Post, SignalWait


def deliver(part: Partition, job: Job, mail: Mail, now_ms: int) -> Delivered:
    """Take mail from outside, once by its id."""
    path = mail.to if isinstance(mail.to, str) else ROOT
    if mail.id in job.mail_ids or _is_unanswered_cancel(job, path, mail):
        return Delivered.DUPLICATE
    if job.is_closed(path):
        return Delivered.CLOSED
    if path not in job.scopes:
        return Delivered.UNKNOWN
    if not _remember(job, mail) and mail.kind != "cancel":
        return Delivered.FULL
    letter = Letter(mail=mail, order=part.next_order())
    if isinstance(mail.to, str):
        put(job, job.scopes[path], letter, now_ms)
    else:
        letter.kept_until_ms = now_ms + SIGNAL_KEPT_MS
        _hand_over(job, letter, now_ms)
    return Delivered.OK


def _is_unanswered_cancel(job: Job, path: str, mail: Mail) -> bool:
    """Whether this cancel, whose id may have found no room, waits in the mailbox."""
    return mail.kind == "cancel" and path in job.scopes and find(job.scopes[path], mail.id) is not None


def _remember(job: Job, mail: Mail) -> bool:
    """Remember an id, if there is room for it."""
    counted = counted_as(mail)
    if any(job.mail_counts[word] >= bound for word, bound in counted):
        return False
    job.mail_counts.update(word for word, _ in counted)
    job.mail_ids.add(mail.id)
    return True


def forget_in_vain(job: Job, mail: Mail) -> None:
    """Operators' mail that changed nothing gives its room back."""
    if operators(mail) and mail.id in job.mail_ids:
        job.mail_ids.remove(mail.id)
        job.mail_counts.subtract(word for word, _ in counted_as(mail))


def send(part: Partition, post: Post, now_ms: int) -> None:
    """Deliver what a commit wrote for a job here; `send_away` is for the others."""
    job = part.jobs.get(post.job)
    if job is not None:
        deliver(part, job, post.mail, now_ms)


def send_away(part: Partition, post: Post) -> None:
    """Keep what a commit wrote for a job in another partition, until it is `posted`."""
    part.post.setdefault(post.mail.id, post)


def put(job: Job, scope: Scope, letter: Letter, now_ms: int) -> None:
    """Put a letter into a mailbox. The scope's member is due at once if this letter is what it would give out."""
    scope.mail.append(letter)
    job.mailed = True
    if len(scope.mail) == 1 or (job.is_parked and job.letter_to_give(scope) is letter):
        job.arm("mail", scope.path, 0, now_ms)


def find(scope: Scope, mail_id: str) -> Letter | None:
    """The mail with this id in the scope's mailbox."""
    return next((letter for letter in scope.mail if letter.mail.id == mail_id), None)


def take(job: Job, scope: Scope, letter: Letter, now_ms: int) -> None:
    """Take a letter out of a mailbox; the next one is due at once."""
    scope.mail.remove(letter)
    if scope.kept is letter:
        scope.kept = None
    if scope.mail:
        job.arm("mail", scope.path, 0, now_ms)
    else:
        del job.due["mail", scope.path]


def give_up_result(part: Partition, job: Job, scope: Scope, left: LeftScope | None, now_ms: int) -> None:
    """Take away the result of its attempt that a scope of a parked job has kept: it goes on without it, or is closed.
    `left` is the scope as it was, if what the attempt did counts for its undo: then the root is mailed.
    """
    letter = scope.kept
    if letter is None:
        return
    take(job, scope, letter, now_ms)
    if letter.mail.kind == "effect" and left is not None:
        mail = late_mail(letter.mail.id.removeprefix("result:"), packed_left(left), letter.mail.body)
        put(job, job.root, Letter(mail=mail, order=part.next_order()), now_ms)


# --- signals ----------------------------------------------------------------------------------------------------------


def wait_for(part: Partition, job: Job, scope: Scope, wait: SignalWait, now_ms: int) -> None:
    """Let a scope wait for a signal; one that has come already is mailed to it in this step."""
    letter = next((kept for kept in job.signals if _fits(kept, wait) and not _lapsed(kept, now_ms)), None)
    if letter is None:
        scope.wait, scope.wait_order = wait, part.next_order()
    else:
        job.signals.remove(letter)
        job.due.pop(("timer", scope.path), None)
        put(job, scope, letter, now_ms)


def stop_waiting(job: Job, scope: Scope, now_ms: int) -> None:
    """End a scope's wait. A signal that came for it and was not read goes to the next waiter."""
    scope.wait = None
    for letter in [letter for letter in scope.mail if letter.kept_until_ms is not None]:
        take(job, scope, letter, now_ms)
        letter.returned = 0
        _hand_over(job, letter, now_ms)


def forget_lapsed(job: Job, now_ms: int) -> int:
    """Drop the signals for which nobody waited in time; how many there were."""
    kept = [letter for letter in job.signals if not _lapsed(letter, now_ms)]
    dropped = len(job.signals) - len(kept)
    job.signals = kept
    return dropped


def _hand_over(job: Job, letter: Letter, now_ms: int) -> None:
    if _lapsed(letter, now_ms):
        return
    waiting = [scope for scope in job.scopes.values() if scope.wait is not None and _fits(letter, scope.wait)]
    if waiting:
        scope = min(waiting, key=lambda scope: scope.wait_order)
        scope.wait = None
        put(job, scope, letter, now_ms)
    else:
        insort(job.signals, letter, key=lambda kept: kept.order)


def _fits(letter: Letter, wait: SignalWait) -> bool:
    return letter.mail.to == ("signal", wait.name, wait.key)


def _lapsed(letter: Letter, now_ms: int) -> bool:
    return letter.kept_until_ms is not None and letter.kept_until_ms <= now_ms


# --- compensation -----------------------------------------------------------------------------------------------------


def unwind(part: Partition, job: Job, now_ms: int) -> None:
    """Mail the root, once per compensation, when undos may run: no worker is at work for the job any more."""
    if job.status != "compensating" or job.compensation is None or job.unwound or job.live_leases():
        return
    job.unwound = True
    put(job, job.root, Letter(mail=unwind_mail(job.compensation), order=part.next_order()), now_ms)


def operators(mail: Mail) -> bool:
    """Whether this mail is given out while the job is parked."""
    return mail.kind in OPERATOR_MAIL
