"""Find the secrets and constants that a program names and the settings do not have: its jobs would fail there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from avtomat.core.program import Program
from avtomat.core.reads import constants_needed, secrets_named


def undeclared(program: Program, secrets: Collection[str], constants: Collection[str]) -> Iterator[str]:
    """What to say of each, in the order of their names. A constant that may be missing is none of them."""
    for name in sorted(secrets_named(program) - frozenset(secrets)):
        yield f"{program.name} names the secret {name}, which the settings do not declare"
    for name in sorted(constants_needed(program) - frozenset(constants)):
        yield f"{program.name} reads config.{name}, which the settings do not have"
