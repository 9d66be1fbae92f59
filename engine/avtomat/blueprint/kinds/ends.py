"""The kinds `succeed` and `fail`, in which a machine ends."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, values_of
from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import StateSpec, entries_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.ends import FailState, SucceedState


def _result(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "succeed")


def _error(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return ((node, False) for key, node in entries_of(state.part("fail")) if key != "compensate")


def _assemble_succeed(parts: Parts, state: StateSpec) -> SucceedState:
    return SucceedState(name=state.name, result=parts.template(state, "succeed"))


def _assemble_fail(parts: Parts, state: StateSpec) -> FailState:
    written = dict(entries_of(state.part("fail")))
    declined = [node.value is False for node in (written.pop("compensate", None), state.part("compensate")) if node]
    templates = {key: parts.readings.template(node) for key, node in written.items()}
    return FailState(
        name=state.name,
        code=templates.get("code"),
        message=templates.get("message"),
        details=templates.get("details"),
        compensate=not any(declined),
    )


SUCCEED = Kind(key="succeed", called="a succeed", ends=True, entered=_result, assemble=_assemble_succeed)
FAIL = Kind(key="fail", called="a fail", ends=True, entered=_error, assemble=_assemble_fail)
