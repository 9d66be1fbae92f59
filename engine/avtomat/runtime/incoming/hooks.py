"""Take the requests of hooks: each starts a job of the blueprint that has the hook, or sends one of its jobs a signal.

Two steps, because a body is decoded only once its sender is known: `admit` checks the signature over the bytes, and
`take` does what the hook says. What a sender repeats, by its id, is done once: the id becomes the idempotency key of
the job, or the id of the signal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.hooks import Hook, Scheme
from avtomat.core.program import Program
from avtomat.core.value import value
from avtomat.errors import RequestRefused, SecretError
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.incoming.mapping import Arrived, Asked, origin_of, what_is_asked
from avtomat.runtime.incoming.signatures import verify
from avtomat.runtime.jobs.admission import not_now
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.jobs.signals import Signal, Signals
from avtomat.runtime.jobs.submission import Submission
from avtomat.secrets import Secrets

ACCEPTED: Final = "accepted"
REPEATED: Final = "repeated"
IGNORED: Final = "ignored"

_UNREAD: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
"""Headers that formulas do not see, beside the one with the hook's token."""
_KEY_DIGITS: Final = 40


@value
class Admitted:
    """A request whose sender is known. `id` is what its headers say that it is; `headers` are those to be read."""

    program: Program
    name: str
    hook: Hook
    headers: Mapping[str, str]
    id: str | None


@value
class Taken:
    """What became of a request: ACCEPTED, REPEATED or IGNORED, for which there is a `reason`."""

    status: str
    job_id: str | None = None
    reason: str | None = None


class Hooks:
    """The requests of all hooks. `outcomes` counts what became of them, for metrics."""

    def __init__(
        self,
        clients: ClientOperations,
        signals: Signals,
        programs: Programs,
        secrets: Secrets,
        now: Callable[[], datetime],
        config: Mapping[str, Json],
        outcomes: Counter[str],
    ) -> None:
        self._clients = clients
        self._signals = signals
        self._programs = programs
        self._secrets = secrets
        self._now = now
        self._config = config
        self._outcomes = outcomes

    def admit(self, blueprint: str, name: str, headers: Mapping[str, str], body: bytes) -> Admitted:
        """Check who sent this. Names of headers are in small letters.

        Raises RequestRefused: 404 hook.not_found, 401 hook.signature, 503 hook.unavailable where a secret cannot be
        had.
        """
        program = self._programs.current.get(blueprint)
        hook = None if program is None else program.hooks.get(name)
        if program is None or hook is None:
            raise self._none(blueprint, name)
        try:
            identity = verify(hook.verify, self._texts(hook), headers, body, self._now())
        except SecretError as error:
            self._outcomes["unavailable"] += 1
            hint = "an operator of the engine declares it under [secrets]"
            raise not_now(f"this hook cannot be used now: {error.message}", "hook.unavailable", hint) from None
        except RequestRefused:
            self._outcomes["signature"] += 1
            raise
        hidden = _UNREAD | ({hook.verify.header} if hook.verify.scheme is Scheme.TOKEN else frozenset())
        shown = {key: text for key, text in headers.items() if key not in hidden}
        return Admitted(program=program, name=name, hook=hook, headers=shown, id=identity)

    async def take(self, request: Admitted, body: Json) -> Taken:
        """Do what the hook says.

        Raises RequestRefused: 422 hook.mapping where one of its formulas fails, and what a submission or a signal is
        refused with; 404 hook.no_job where there is no such job of the blueprint.
        """
        try:
            taken = await self._take(request, body)
        except RequestRefused:
            self._outcomes["refused"] += 1
            raise
        self._outcomes[taken.status] += 1
        return taken

    async def _take(self, request: Admitted, body: Json) -> Taken:
        arrived = Arrived(body=body, headers=request.headers, id=request.id, at=self._now())
        asked = what_is_asked(request.program, request.name, arrived, self._config)
        if asked is None:
            return Taken(status=IGNORED, reason="the condition of the hook does not hold")
        return await (self._start(request, asked) if asked.job is None else self._signal(request, asked, asked.job))

    async def _start(self, request: Admitted, asked: Asked) -> Taken:
        origin = origin_of(request.program, request.name)
        key = None if asked.id is None else f"{origin}:{sha256(asked.id.encode()).hexdigest()[:_KEY_DIGITS]}"
        submission = Submission(
            blueprint=request.program.name, input=asked.value, client=request.hook.client, key=key, body_hash=origin
        )
        accepted = await self._clients.submit(submission)
        return Taken(status=ACCEPTED if accepted.fresh else REPEATED, job_id=accepted.job_id)

    async def _signal(self, request: Admitted, asked: Asked, job: str) -> Taken:
        row = await self._clients.row(job, None)
        if row is None or row.blueprint != request.program.name:
            text = f"there is no job {job[:80]!r} of the blueprint {request.program.name}"
            raise RequestRefused(text, status=404, code="hook.no_job")
        signal = Signal(name=asked.signal, payload=asked.value, key=asked.key, id=asked.id or "")
        try:
            fresh = await self._signals.send(job, None, signal, origin_of(request.program, request.name))
        except RequestRefused as refused:
            if refused.code != "job.state":
                raise
            return Taken(status=IGNORED, job_id=job, reason=refused.message)
        return Taken(status=ACCEPTED if fresh else REPEATED, job_id=job)

    def _texts(self, hook: Hook) -> list[str]:
        return [self._secrets.text_of(name) for name in hook.verify.secrets]

    def _none(self, blueprint: str, name: str) -> RequestRefused:
        """There is no such hook; or there may be one, which cannot be known now."""
        if blueprint in self._programs.missing or blueprint in self._programs.never_good:
            return not_now(f"no version of the blueprint {blueprint!r} can be used now", "blueprint.unavailable")
        text = f"there is no hook {name[:80]!r} of a blueprint {blueprint[:80]!r}"
        return RequestRefused(text, status=404, code="hook.not_found")
