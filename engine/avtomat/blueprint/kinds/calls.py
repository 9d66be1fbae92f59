"""The kind `call`: an HTTP request that the engine makes itself."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always
from avtomat.blueprint.parts import Parts, check
from avtomat.blueprint.spec import StateSpec, parts_of_call, value_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.calls import CALL as KIND_OF_TASK
from avtomat.core.kinds.calls import CallState
from avtomat.core.program import RetryPolicy


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return parts_of_call(state.part("call"))


def _assemble(parts: Parts, state: StateSpec) -> CallState:
    request = parts.request(state.part("call"))
    return CallState(
        **parts.common(state),
        kind=KIND_OF_TASK,
        params=request,
        acts_once=request.acts_once,
        timeouts=parts.timeouts(state.part("timeout") or parts.defaults.get("timeout")),
        retry=parts.retry(state.part("retry") or parts.defaults.get("retry"), (RetryPolicy(),)),
        expects=check(value_of(state.part("expects"))),
        compensate=parts.compensation(state.part("compensate")),
    )


CALL = Kind(key="call", has_output=always, entered=_entered, assemble=_assemble)
