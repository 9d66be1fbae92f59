"""The kind `signal`: a message from outside is awaited."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import orjson

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.parts import Parts, check
from avtomat.blueprint.spec import StateSpec, text_of, value_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.formula import Json
from avtomat.core.kinds.signals import SignalState


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "key")


def _assemble(parts: Parts, state: StateSpec) -> SignalState:
    name, key, expects = text_of(state.part("signal")) or "", state.part("key"), value_of(state.part("expects"))
    return SignalState(
        **parts.common(state),
        signal=name,
        address=_address(parts, name, expects),
        key=None if key is None else parts.readings.template(key),
        expects=check(expects),
        timeout=parts.amount(state.part("timeout")),
    )


def _address(parts: Parts, name: str, expects: Json) -> str:
    """Where signals of this name for this `expects` are kept: states that expect different payloads share no signal."""
    alike = [state for state in parts.blueprint.states if text_of(state.part("signal")) == name]
    written = orjson.dumps(expects, option=orjson.OPT_SORT_KEYS)
    if all(orjson.dumps(value_of(one.part("expects")), option=orjson.OPT_SORT_KEYS) == written for one in alike):
        return name
    return f"{name}#{blake2b(written, digest_size=8).hexdigest()}"


SIGNAL = Kind(key="signal", has_output=always, waits=True, entered=_entered, assemble=_assemble)
