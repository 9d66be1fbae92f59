"""The kinds that this version can read and check, but not run yet: `call`, `run`."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.spec import StateSpec, flag, parts_of_call
from avtomat.blueprint.yaml.nodes import Node


def _request(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return parts_of_call(state.part("call"))


def _input(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "input")


def _waits_for_its_child(state: StateSpec) -> bool:
    return not flag(state.part("detach"))


CALL = Kind(key="call", has_output=always, entered=_request)
RUN = Kind(key="run", does="goes on without waiting for its child", has_output=_waits_for_its_child, entered=_input)
