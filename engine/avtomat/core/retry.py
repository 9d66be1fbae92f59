"""Decide whether a failed attempt is tried again, and after which delay.

Jitter is derived from the place of the attempt, not drawn: the same attempt of the same visit always waits as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b

from avtomat.core.formula import Json
from avtomat.core.model import UNCATCHABLE, Error
from avtomat.core.program import ANY, Jitter, RetryPolicy
from avtomat.core.value import value

CALL_FAILED = "CALL_FAILED"
RETRIED_BY_DEFAULT = frozenset(
    {"TRANSIENT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR", "INTERNAL_ERROR", "WORKER_LOST"}
)
NEVER_RETRIED = frozenset({"EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION", "LIMIT_EXCEEDED", "DEADLINE"})
_PASSING_STATUSES = frozenset({408, 425, 429})
_PASSING_ONCE = frozenset({425, 429, 503})
"""Statuses with which a server says that it did nothing yet."""

_UNKNOWN_EFFECT = frozenset({"TIMEOUT_ERROR", "WORKER_LOST"})
_NEVER_SENT = frozenset({"url.refused", "request.invalid"})
"""Reasons of a failed call that are the same at each attempt."""

ASKED_DELAY_MAX = timedelta(days=1)
_SPAN = 2**64


@value
class Again:
    """Another attempt: after which delay, and how many failures each policy has taken by now."""

    delay: timedelta
    taken: tuple[int, ...] = ()


def try_after(
    policies: Sequence[RetryPolicy],
    error: Error,
    *,
    seed: str,
    taken: tuple[int, ...] = (),
    acts_once: bool = False,
) -> Again | None:
    """Return when to make the attempt after `error.attempt`, or None when there is none.

    The first policy that names the error's code counts, and no other; it goes by the failures that it took itself.
    `taken` are these numbers so far, in the order of the policies; it is empty before the first failure, and where one
    policy took them all, so that the attempt is the number. `seed` is the place of the visit in the world: job, path
    and visit. `acts_once`: where no policy names the code, only what surely had no effect is tried again. A server that
    says when to come back is left alone so long (`retry_after_s` in the details of CALL_FAILED).
    """
    final = error.code in NEVER_RETRIED and not (error.handed_up and error.code in UNCATCHABLE)
    if final or _reason_of(error) in _NEVER_SENT:
        return None
    policy = policy_for(policies, error, acts_once=acts_once)
    if policy is None:
        return None
    failures = error.attempt
    if len(policies) > 1:
        place, before = policies.index(policy), taken or (0,) * len(policies)
        failures = before[place] + 1
        taken = (*before[:place], failures, *before[place + 1 :])
    if failures >= policy.attempts:
        return None
    delay = max(_spread(policy, _backoff(policy, failures), f"{seed} {error.attempt}"), _asked_delay(error))
    return Again(delay=delay, taken=taken)


def policy_for(policies: Sequence[RetryPolicy], error: Error, *, acts_once: bool = False) -> RetryPolicy | None:
    """The policy that counts for this error: the first that names its code."""
    return next((policy for policy in policies if _names(policy, error, acts_once)), None)


def _names(policy: RetryPolicy, error: Error, acts_once: bool) -> bool:
    if policy.errors is not None:
        return ANY in policy.errors or error.code in policy.errors
    if error.code == CALL_FAILED:
        return _passes(_details_of(error), acts_once)
    return error.code in RETRIED_BY_DEFAULT and not (acts_once and error.code in _UNKNOWN_EFFECT)


def _passes(details: Mapping[str, Json], acts_once: bool) -> bool:
    """Tell whether a failed call may go through later: a broken network (no status), or a status that says so."""
    status = details.get("status")
    if not isinstance(status, int):
        return not acts_once or details.get("sent") is False
    return status in _PASSING_ONCE if acts_once else status in _PASSING_STATUSES or status >= 500


def _reason_of(error: Error) -> Json:
    return _details_of(error).get("reason") if error.code == CALL_FAILED else None


def _asked_delay(error: Error) -> timedelta:
    seconds = _details_of(error).get("retry_after_s") if error.code == CALL_FAILED else None
    if not isinstance(seconds, int) or seconds <= 0:
        return timedelta()
    return min(timedelta(seconds=min(seconds, 10**6)), ASKED_DELAY_MAX)


def _details_of(error: Error) -> Mapping[str, Json]:
    return error.details if isinstance(error.details, dict) else {}


def _backoff(policy: RetryPolicy, failures: int) -> timedelta:
    if not policy.delay:
        return policy.delay
    try:
        return min(policy.delay * policy.factor ** (failures - 1), policy.delay_max)
    except OverflowError:
        return policy.delay_max


def _spread(policy: RetryPolicy, delay: timedelta, seed: str) -> timedelta:
    if policy.jitter is Jitter.NONE:
        return delay
    share = int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()) / _SPAN
    return delay * (share if policy.jitter is Jitter.FULL else 0.5 + share / 2)
