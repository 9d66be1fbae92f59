"""The kinds `parallel` and `foreach`, which have machines inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.language.template import CompiledTemplate
from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import LANE, StateSpec, entries_of, text_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.formula import Json
from avtomat.core.kinds.blocks import ForeachState, Join, ParallelState
from avtomat.core.program import Count
from avtomat.core.reads import reads_failures


def _entered_parallel(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return ((node, False) for _name, node in entries_of(state.part("join")))


def _entered_foreach(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    yield from values_of(state, "foreach", "concurrency", "tolerate")
    yield from _entered_parallel(state)


def _names_a_winner(state: StateSpec) -> bool:
    return text_of(state.part("join")) == "any"


def _may_do_without_some(state: StateSpec) -> bool:
    return state.part("join") is not None and text_of(state.part("join")) != "all"


def _assemble_parallel(parts: Parts, state: StateSpec) -> ParallelState:
    return ParallelState(**_block(parts, state), branches=tuple(state.inner))


def _assemble_foreach(parts: Parts, state: StateSpec) -> ForeachState:
    collect = state.part("collect")
    return ForeachState(
        **_block(parts, state),
        items=parts.template(state, "foreach"),
        item_name=parts.blueprint.machines[state.inner[LANE]].items[-1],
        concurrency=_concurrency(parts, state.part("concurrency")),
        tolerate=_tolerated(parts, state.part("tolerate")),
        collects=collect is None or collect.value is not False,
    )


def _block(parts: Parts, state: StateSpec) -> dict[str, Json]:
    """What blocks of both kinds have."""
    at_least, wins = dict(entries_of(state.part("join"))).get("at_least"), _names_a_winner(state)
    common = parts.common(state)
    return {
        **common,
        "reads_failures": reads_failures(common["sets"], common["transitions"], common["catch"]),
        "join": Join(at_least=1 if wins else parts.count(at_least), names_winner=wins),
        "timeout": parts.amount(state.part("timeout")),
        "retry": parts.retry(state.part("retry"), ()),
    }


def _concurrency(parts: Parts, node: Node | None) -> Count | None:
    count = parts.count(node)
    return replace(count, optional=True) if isinstance(count, CompiledTemplate) else count


def _tolerated(parts: Parts, node: Node | None) -> Count | str | None:
    text = text_of(node)
    return text if text is not None and "{{" not in text else parts.count(node)


PARALLEL = Kind(
    key="parallel",
    has_output=always,
    has_status=_names_a_winner,
    has_failures=_may_do_without_some,
    entered=_entered_parallel,
    assemble=_assemble_parallel,
)
FOREACH = Kind(
    key="foreach", has_output=always, has_failures=always, entered=_entered_foreach, assemble=_assemble_foreach
)
