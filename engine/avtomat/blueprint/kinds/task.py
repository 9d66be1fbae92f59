"""The kind `task`: a piece of work that a worker does."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always
from avtomat.blueprint.parts import Parts, check, requirements, whole
from avtomat.blueprint.spec import StateSpec, part_of, text_of, value_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.task import TaskState
from avtomat.core.program import RetryPolicy


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    if (params := state.part("params")) is not None:
        yield params, True
    if (sticky := part_of(state.part("worker"), "sticky")) is not None:
        yield sticky, False


def _assemble(parts: Parts, state: StateSpec) -> TaskState:
    return TaskState(
        **parts.common(state),
        kind=text_of(state.part("task")) or "",
        params=parts.params(state.part("params")),
        requirements=requirements(state.part("worker") or parts.defaults.get("worker")),
        sticky=parts.sticky(state.part("worker") or parts.defaults.get("worker")),
        priority=whole(value_of(state.part("priority"))),
        timeouts=parts.timeouts(state.part("timeout") or parts.defaults.get("timeout")),
        retry=parts.retry(state.part("retry") or parts.defaults.get("retry"), (RetryPolicy(),)),
        expects=check(value_of(state.part("expects"))),
        compensate=parts.compensation(state.part("compensate")),
    )


TASK = Kind(key="task", has_output=always, has_status=always, entered=_entered, assemble=_assemble)
