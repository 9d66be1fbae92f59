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

RETRIED_BY_DEFAULT = frozenset(
    {"TRANSIENT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR", "INTERNAL_ERROR", "WORKER_LOST"}
)
NEVER_RETRIED = frozenset({"EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION", "LIMIT_EXCEEDED", "DEADLINE"})
_PASSING_STATUSES = frozenset({408, 425, 429})
_SPAN = 2**64


def delay_before_next(policies: Sequence[RetryPolicy], error: Error, *, seed: str) -> timedelta | None:
    """Return how long to wait before the attempt after `error.attempt`, or None when there is none.

    The first policy that names the error's code counts, and no other. `seed` is the place of the visit in the world:
    job, path and visit.
    """
    if error.code in NEVER_RETRIED:
        return None
    policy = policy_for(policies, error)
    if policy is None or error.attempt >= policy.attempts:
        return None
    return _spread(policy, _backoff(policy, error.attempt), f"{seed} {error.attempt}")


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


def _backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    try:
        return min(policy.delay * policy.factor ** (attempt - 1), policy.delay_max)
    except OverflowError:
        return policy.delay_max


def _spread(policy: RetryPolicy, delay: timedelta, seed: str) -> timedelta:
    if policy.jitter is Jitter.NONE:
        return delay
    share = int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()) / _SPAN
    return delay * (share if policy.jitter is Jitter.FULL else 0.5 + share / 2)
