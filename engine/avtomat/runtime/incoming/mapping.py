"""Say what a request asks for by the formulas of its hook: nothing, a job with an input, or a signal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from avtomat.core.formula import Environment, Failure, Formula, Json, Template
from avtomat.core.hooks import Hook, Scheme
from avtomat.core.program import Program
from avtomat.core.value import value
from avtomat.errors import RequestRefused

ID_CHARACTERS_MAX: Final = 255


@value
class Arrived:
    """A request: what it brought, the `id` that its headers have for it, and when it came."""

    body: Json
    headers: Mapping[str, str]
    id: str | None = None
    at: datetime


@value
class Asked:
    """What is asked for: with a `job`, the signal `signal` and `key` of the payload `value`; else a job with the input
    `value`. What has the same `id` is asked for once.
    """

    value: Json
    id: str | None = None
    job: str | None = None
    signal: str = ""
    key: str = ""


def what_is_asked(program: Program, name: str, arrived: Arrived, config: Mapping[str, Json]) -> Asked | None:
    """Evaluate the formulas of the hook `name`; None when its `when` does not hold. Raises RequestRefused (422
    hook.mapping) where one of them fails.
    """
    hook = program.hooks[name]
    formulas = _Formulas(origin_of(program, name), arrived, config)
    if hook.when is not None and not formulas.holds(hook.when):
        return None
    identity = _id_of(hook, formulas, arrived)
    if hook.signal is None:
        given = arrived.body if hook.input is None else formulas.value(hook.input, "input")
        return Asked(value=given, id=identity)
    sent = hook.signal
    return Asked(
        value=arrived.body if sent.payload is None else formulas.value(sent.payload, "payload"),
        id=identity,
        job=formulas.text(sent.job, "job"),
        signal=sent.name,
        key="" if sent.key is None else formulas.text(sent.key, "key"),
    )


def origin_of(program: Program, name: str) -> str:
    """Who acts, as history and idempotency keys have it."""
    return f"hook:{program.name}/{name}"


def _id_of(hook: Hook, formulas: _Formulas, arrived: Arrived) -> str | None:
    identity = arrived.id if hook.id is None else formulas.text(hook.id, "id")
    if identity is None and hook.verify.scheme is Scheme.STRIPE and isinstance(arrived.body, dict):
        own = arrived.body.get("id")
        identity = own if isinstance(own, str) else None
    if identity is not None and not 0 < len(identity) <= ID_CHARACTERS_MAX:
        raise _unmapped("id", f"an id has 1 to {ID_CHARACTERS_MAX} characters, this one {len(identity)}")
    return identity


class _Formulas:
    """Evaluates the formulas of one hook over one request."""

    def __init__(self, origin: str, arrived: Arrived, config: Mapping[str, Json]) -> None:
        names = {"body": arrived.body, "headers": arrived.headers, "config": config}
        seed = f"{origin}:{arrived.id or arrived.at.isoformat()}"
        self._env = Environment(names=names, now=arrived.at, seed=seed)

    def holds(self, when: Formula) -> bool:
        """Whether a condition is true. RequestRefused: it fails, or is neither true nor false."""
        found = when.evaluate(self._env)
        if isinstance(found, Failure):
            raise _unmapped("when", found.message)
        if not isinstance(found, bool):
            raise _unmapped("when", "the condition is neither true nor false")
        return found

    def value(self, template: Template, key: str) -> Json:
        """What a template gives."""
        found = template.render(self._env)
        if isinstance(found, Failure):
            raise _unmapped(key, found.message)
        return found.value

    def text(self, template: Template, key: str) -> str:
        """What a template gives, as a text; a whole number becomes one."""
        found = self.value(template, key)
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise _unmapped(key, "it gives neither a text nor a whole number")
        return str(found)


def _unmapped(key: str, problem: str) -> RequestRefused:
    hint = "the request is not what the hook expects; its `when` can leave such requests out"
    return RequestRefused(f"`{key}` of the hook: {problem}", status=422, code="hook.mapping", hint=hint)
