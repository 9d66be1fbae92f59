"""The kind `approval`: people are asked."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.parts import Parts, check, span
from avtomat.blueprint.spec import StateSpec, items_of, text_of, value_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.defaults import defaults_of
from avtomat.core.kinds.approvals import CHOICES, ApprovalState


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "approval", "assignees")


def _assemble(parts: Parts, state: StateSpec) -> ApprovalState:
    assignees, form = state.part("assignees"), value_of(state.part("form"))
    return ApprovalState(
        **parts.common(state),
        approval=parts.template(state, "approval"),
        choices=tuple(filter(None, map(text_of, items_of(state.part("choices"))))) or CHOICES,
        assignees=None if assignees is None else parts.readings.template(assignees),
        form_schema=form,
        form=check(form),
        form_defaults=None if form is None else defaults_of(form),
        remind=span(text_of(state.part("remind"))),
        timeout=parts.amount(state.part("timeout")),
    )


APPROVAL = Kind(key="approval", has_output=always, has_status=always, entered=_entered, assemble=_assemble)
