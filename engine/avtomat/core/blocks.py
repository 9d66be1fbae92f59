"""Work out what a block forks, and what its bodies' outputs make when they are joined.

A parallel and a foreach are the same to the machine: a number of bodies with an index, some of which run at once, and a
join that says how many must end well and how many may fail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from avtomat.core.formula import Json
from avtomat.core.messages import ForkScopes, JoinDecided
from avtomat.core.model import Ref
from avtomat.core.program import ForeachState, Join, ParallelState
from avtomat.core.walk import AuthorError, Names, Walk, as_count

Block = ParallelState | ForeachState

_SHARE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?%")


def fork_of(walk: Walk, block: Block) -> ForkScopes:
    """What entering the block begins. Raises AuthorError for values that make no sense or are over the limits."""
    limits, names = walk.program.limits, walk.names()
    if walk.before.path.count("/") + (not walk.is_root) > limits.depth:
        raise AuthorError("LIMIT_EXCEEDED", f"blocks are nested deeper than {limits.depth}")
    match block:
        case ParallelState(branches=branches):
            return _fork_branches(walk, block, branches, names)
        case ForeachState():
            return _fork_items(walk, block, names)
    assert_never(block)


def _fork_branches(walk: Walk, block: ParallelState, branches: Sequence[str], names: Names) -> ForkScopes:
    total = len(branches)
    need = _need(walk, block.join, total, names)
    return ForkScopes(
        number=walk.forks,
        total=total,
        need=need,
        tolerated=total - need,
        window=min(total, walk.program.limits.scopes_live),
        machines=tuple(f"{walk.address}.{branch}" for branch in branches),
        places=tuple(f"{walk.place}.{branch}" for branch in branches),
    )


def _fork_items(walk: Walk, block: ForeachState, names: Names) -> ForkScopes:
    items = walk.render(block.items, names).value
    if not isinstance(items, list):
        raise AuthorError("TEMPLATE_ERROR", "foreach: expected a list")
    if len(items) > walk.program.limits.items:
        raise AuthorError(
            "LIMIT_EXCEEDED", f"foreach over {len(items)} items, the limit is {walk.program.limits.items}"
        )
    total = len(items)
    need = _need(walk, block.join, total, names)
    tolerated = total - need if block.join.at_least is not None else _tolerated(walk, block, total, names)
    window = _window(walk, block, names)
    return ForkScopes(
        number=walk.forks,
        total=total,
        need=need,
        tolerated=tolerated,
        window=window,
        machines=(walk.address,),
        places=(walk.place,),
        item_name=block.item_name,
        items=items,
    )


def _window(walk: Walk, block: ForeachState, names: Names) -> int:
    """How many bodies run at once; no number, or 0, is no limit of the block's own."""
    live, count = walk.program.limits.scopes_live, block.concurrency
    if count is None:
        return live
    return min(_count(walk, count, "concurrency", names, otherwise=0) or live, live)


def _need(walk: Walk, join: Join, total: int, names: Names) -> int:
    if join.at_least is None:
        return total
    need = _count(walk, join.at_least, "at_least", names)
    if need > total:
        raise AuthorError("TEMPLATE_ERROR", f"join: {need} must succeed, and there are {total} to begin")
    return need


def _tolerated(walk: Walk, block: ForeachState, total: int, names: Names) -> int:
    tolerate = block.tolerate
    if tolerate is None:
        return 0
    value = tolerate if isinstance(tolerate, int | str) else walk.render(tolerate, names).value
    if isinstance(value, str) and (share := _SHARE.fullmatch(value)):
        decimals = share[2] or ""
        return min(total, total * int(share[1] + decimals) // int("100" + "0" * len(decimals)))
    return min(total, as_count(value, "tolerate"))


def _count(walk: Walk, count: Json, what: str, names: Names, otherwise: Json = None) -> int:
    """A number that is written out or rendered; `otherwise` stands for null."""
    if isinstance(count, int):
        return count
    value = walk.render(count, names).value
    return as_count(otherwise if value is None else value, what)


def output_of(block: Block, event: JoinDecided, total: int) -> Json | Ref:
    """The block's output: branches by name, items in order, or their counts."""
    outputs = event.outputs
    match block:
        case ParallelState(branches=branches):
            assert not isinstance(outputs, Ref)
            return dict(zip(branches, outputs, strict=True))
        case ForeachState(collects=False):
            return {"total": total, "succeeded": event.ok, "failed": event.failed}
        case ForeachState():
            return outputs if isinstance(outputs, Ref) else list(outputs)
    assert_never(block)


def status_of(block: Block, event: JoinDecided) -> str | None:
    """The word for how the block ended: the winner's name where any of its branches was enough."""
    if block.join.names_winner and event.winner is not None and isinstance(block, ParallelState):
        return block.branches[event.winner]
    return None
