"""Find what a program names and the settings do not have, or do not allow: its jobs would fail there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from avtomat.core.kinds.calls import origins_called
from avtomat.core.program import Program
from avtomat.core.reads import constants_needed, secrets_named
from avtomat.runtime.outgoing.addresses import Allowed, Refused
from avtomat.settings import Settings


def undeclared(program: Program, settings: Settings) -> Iterator[str]:
    """What to say of each secret, constant and host, in this order. A constant that may be missing is none of them, nor
    is a host whose address only a resolver knows.
    """
    secrets, constants = settings.secrets, settings.config
    named = secrets_named(program).union(*(hook.verify.secrets for hook in program.hooks.values()))
    for name in sorted(named - frozenset(secrets)):
        yield f"{program.name} names the secret {name}, which the settings do not declare"
    for name in sorted(constants_needed(program) - frozenset(constants)):
        yield f"{program.name} reads config.{name}, which the settings do not have"
    origins = origins_called(program)
    if origins:
        yield from _refused(program.name, origins, Allowed(settings.calls_allow, settings.calls_ports))


def _refused(name: str, origins: Iterable[str], allowed: Allowed) -> Iterator[str]:
    from avtomat.runtime.outgoing.urls import read_url

    for origin in origins:
        try:
            read_url(origin, allowed)
        except Refused as refused:
            yield f"{name} calls {origin}, which is refused: {refused}"
