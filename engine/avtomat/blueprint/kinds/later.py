"""The kind that this version can read and check, but not run yet: `run`."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, values_of
from avtomat.blueprint.spec import StateSpec, flag
from avtomat.blueprint.yaml.nodes import Node


def _input(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "input")


def _waits_for_its_child(state: StateSpec) -> bool:
    return not flag(state.part("detach"))


RUN = Kind(key="run", does="goes on without waiting for its child", has_output=_waits_for_its_child, entered=_input)
