"""The kind `signal`: a message from outside is awaited."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.spec import StateSpec
from avtomat.blueprint.yaml.nodes import Node


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "key")


SIGNAL = Kind(key="signal", has_output=always, waits=True, entered=_entered)
