"""Hooks: requests of other systems that start a job of a blueprint or send one a signal, as a Program has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final

from avtomat.core.formula import Formula, Template
from avtomat.core.value import value

HOOK_CLIENT: Final = "hooks"
"""Whose the jobs are that a hook starts, where it does not say."""

TOLERANCE: Final = timedelta(minutes=5)
"""How far the time of a signature may be from now, where the hook does not say."""


class Scheme(StrEnum):
    """How a sender proves who it is: by Standard Webhooks, as GitHub or Stripe do it, or by a token that both know."""

    STANDARD = "standard"
    GITHUB = "github"
    STRIPE = "stripe"
    TOKEN = "token"  # noqa: S105 - the name of a scheme


@value
class Verification:
    """What is asked of a request: `secrets` are names, any of which may have signed it. `header` carries the token of
    the scheme TOKEN. A signature that bears a time is refused when that is more than `tolerance` from now.
    """

    scheme: Scheme
    secrets: tuple[str, ...]
    header: str = "authorization"
    tolerance: timedelta = TOLERANCE


@value
class SignalOfHook:
    """The signal that a request becomes: for the job that `job` renders to; `payload` None is the body."""

    name: str
    job: Template
    key: Template | None = None
    payload: Template | None = None


@value
class Hook:
    """What becomes of the requests at one address: a job of `client` with `input` (None: the body), or a signal.

    A request for which `when` does not hold is taken and changes nothing. Requests of one `id` count once; None leaves
    it to the scheme.
    """

    verify: Verification
    client: str
    when: Formula | None = None
    id: Template | None = None
    input: Template | None = None
    signal: SignalOfHook | None = None

    @property
    def parts(self) -> Iterator[Formula | Template]:
        """All its formulas."""
        signal = self.signal
        of_signal = () if signal is None else (signal.job, signal.key, signal.payload)
        yield from (part for part in (self.when, self.id, self.input, *of_signal) if part is not None)
