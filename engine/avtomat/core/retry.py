"""Decide whether a failed attempt is tried again, and after which delay.

Jitter is derived from the place of the attempt, not drawn: the same attempt of the same visit always waits as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b

from avtomat.core.formula import Json
from avtomat.core.model import Error
from avtomat.core.program import ANY, Jitter, RetryPolicy
from avtomat.core.value import value

RETRIED_BY_DEFAULT = frozenset(
    {"TRANSIENT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR", "INTERNAL_ERROR", "WORKER_LOST"}
)
NEVER_RETRIED = frozenset({"EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION", "LIMIT_EXCEEDED", "DEADLINE"})
_PASSING_STATUSES = frozenset({408, 425, 429})
_SPAN = 2**64


@value
class Again:
    """Another attempt: after which delay, and how many failures each policy has taken by now."""

    delay: timedelta
    taken: tuple[int, ...] = ()


def try_after(policies: Sequence[RetryPolicy], error: Error, *, seed: str, taken: tuple[int, ...] = ()) -> Again | None:
    """Return when to make the attempt after `error.attempt`, or None when there is none.

    The first policy that names the error's code counts, and no other; it goes by the failures that it took itself.
    `taken` are these numbers so far, in the order of the policies; it is empty before the first failure, and where one
    policy took them all, so that the attempt is the number. `seed` is the place of the visit in the world: job, path
    and visit.
    """
    if error.code in NEVER_RETRIED:
        return None
    policy = policy_for(policies, error)
    if policy is None:
        return None
    failures = error.attempt
    if len(policies) > 1:
        place, before = policies.index(policy), taken or (0,) * len(policies)
        failures = before[place] + 1
        taken = (*before[:place], failures, *before[place + 1 :])
    if failures >= policy.attempts:
        return None
    return Again(delay=_spread(policy, _backoff(policy, failures), f"{seed} {error.attempt}"), taken=taken)


def policy_for(policies: Sequence[RetryPolicy], error: Error) -> RetryPolicy | None:
    """The policy that counts for this error: the first that names its code."""
    return next((policy for policy in policies if _names(policy, error)), None)


def _names(policy: RetryPolicy, error: Error) -> bool:
    if policy.errors is None:
        return error.code in RETRIED_BY_DEFAULT or (error.code == "CALL_FAILED" and _passes(error.details))
    return ANY in policy.errors or error.code in policy.errors


def _passes(details: Json) -> bool:
    """Tell whether a failed call may go through later: a broken network (no status), or a status that says so."""
    status = details.get("status") if isinstance(details, dict) else None
    return not isinstance(status, int) or status in _PASSING_STATUSES or status >= 500


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
