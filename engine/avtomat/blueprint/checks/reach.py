"""Which states of a machine can come after which, worked out once.

States that lead to one another form a component (Tarjan, 1972: each comes out after all that it leads to). What can
follow a component is what its edges lead to and what can follow that, kept as the bits of one whole number, so that
thousands of states in a row are worked out in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class Reach:
    """Answers for one machine. Names that have no edges of their own are left out."""

    def __init__(self, edges: Mapping[str, Iterable[str]]) -> None:
        self._edges = {name: [target for target in targets if target in edges] for name, targets in edges.items()}
        self._bits = {name: 1 << position for position, name in enumerate(self._edges)}
        self._after: dict[str, int] = {}
        for component in self._components():
            after = 0
            members = sum(self._bits[name] for name in component)
            for target in (target for name in component for target in self._edges[name]):
                after |= members if self._bits[target] & members else self._bits[target] | self._after[target]
            self._after.update(dict.fromkeys(component, after))

    def leads(self, name: str, other: str) -> bool:
        """Whether `other` can come after `name`; `name` itself, when it is on a cycle."""
        return bool(self._after.get(name, 0) & self._bits.get(other, 0))

    def _components(self) -> Iterator[list[str]]:
        """Tarjan's algorithm, without recursion: machines may be longer than Python's stack."""
        index: dict[str, int] = {}
        low: dict[str, int] = {}
        waiting: dict[str, None] = {}
        for root in self._edges:
            ahead = [] if root in index else [(root, iter(self._edges[root]))]
            while ahead:
                name, targets = ahead[-1]
                if name not in index:
                    index[name] = low[name] = len(index)
                    waiting[name] = None
                target = next(targets, None)
                if target is not None and target not in index:
                    ahead.append((target, iter(self._edges[target])))
                elif target is not None:
                    low[name] = min(low[name], index[target]) if target in waiting else low[name]
                else:
                    ahead.pop()
                    if ahead:
                        low[ahead[-1][0]] = min(low[ahead[-1][0]], low[name])
                    if low[name] == index[name]:
                        yield _cut(waiting, name)


def _cut(waiting: dict[str, None], name: str) -> list[str]:
    """Take everything down to `name` from the end of what is waiting."""
    taken: list[str] = []
    while not taken or taken[-1] != name:
        taken.append(waiting.popitem()[0])
    return taken
