"""The kind without a key of its own: a state that only sets data and chooses."""

from __future__ import annotations

from avtomat.blueprint.kinds.kind import Kind
from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import KINDLESS, StateSpec
from avtomat.core.kinds.passing import PassState


def _assemble(parts: Parts, state: StateSpec) -> PassState:
    return PassState(**parts.common(state))


PASS = Kind(key=KINDLESS, called="a state that only sets data", does="only sets data and chooses", assemble=_assemble)
