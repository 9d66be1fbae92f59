"""What the rules look at: the authored form, the text that it was read from, and all formulas in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from avtomat.blueprint.checks import graph
from avtomat.blueprint.checks.reach import Reach
from avtomat.blueprint.findings.finding import Code, Finding
from avtomat.blueprint.readings import Reading, Readings
from avtomat.blueprint.spec import Arm, BlueprintSpec, MachineSpec, StateSpec, items_of, part_of
from avtomat.blueprint.yaml.nodes import Node, Scalar


class Subject:
    """One blueprint under examination. `is_whole`: its shape is right, so what is missing is missing on purpose."""

    def __init__(self, blueprint: BlueprintSpec, source: str, readings: Readings, *, is_whole: bool) -> None:
        self.blueprint = blueprint
        self.source = source
        self.readings = readings
        self.is_whole = is_whole
        self._reach: dict[str, Reach] = {}

    @cached_property
    def edges(self) -> Mapping[str, graph.Edges]:
        """The edges of each machine."""
        return {address: graph.edges_of(machine) for address, machine in self.blueprint.machines.items()}

    def reach(self, address: str) -> Reach:
        """What can come after what in a machine; most are never asked for."""
        if address not in self._reach:
            self._reach[address] = Reach(self.edges[address])
        return self._reach[address]

    @cached_property
    def after_a_catch(self) -> Mapping[str, frozenset[str]]:
        """The states of each machine in which `error` can be read."""
        return {
            address: graph.after_a_catch(self.edges[address], self.blueprint, machine)
            for address, machine in self.blueprint.machines.items()
        }

    @property
    def machines(self) -> Iterator[MachineSpec]:
        """All machines, the root first."""
        yield from self.blueprint.machines.values()

    @cached_property
    def states(self) -> tuple[StateSpec, ...]:
        """All states, of inner machines too."""
        return tuple(self.blueprint.states)

    def parts(self, key: str) -> Sequence[tuple[StateSpec, Node]]:
        """The values of one key of states, each with its state."""
        return self._parts.get(key, ())

    @cached_property
    def _parts(self) -> Mapping[str, list[tuple[StateSpec, Node]]]:
        """All keys of all states: rules ask for many keys, and most states have few."""
        parts: dict[str, list[tuple[StateSpec, Node]]] = {}
        for state in self.states:
            for key, node in state.body.items.items():
                parts.setdefault(key, []).append((state, node))
        return parts

    @property
    def catches(self) -> Iterator[tuple[Arm, ...]]:
        """All lists of catch arms, the job's too."""
        yield self.blueprint.catch
        for state in self.states:
            yield state.catch

    @property
    def policies(self) -> Iterator[Node]:
        """All policies that are written out, wherever they stand."""
        yield from self.blueprint.policies.values()
        for retry in self.retries:
            yield from (part for part in (items_of(retry) or (retry,)) if not isinstance(part, Scalar))

    @cached_property
    def retries(self) -> tuple[Node, ...]:
        """All values of `retry`."""
        return tuple(self._values_of("retry"))

    @cached_property
    def timeouts(self) -> tuple[Node, ...]:
        """All values of `timeout`."""
        last = self.blueprint.finally_timeout
        return (*self._values_of("timeout"), *(() if last is None else (last,)))

    def _values_of(self, key: str) -> Iterator[Node]:
        for owner in (self.blueprint.node, self.blueprint.defaults):
            if (value := part_of(owner, key)) is not None:
                yield value
        for _state, value in self.parts(key):
            yield value
        for _state, undo in self.parts("compensate"):
            if (value := part_of(undo, key)) is not None:
                yield value

    def finding_in(self, reading: Reading, code: Code, pointer: str, offset: int, *, length: int, message: str,
                   hint: str | None = None) -> Finding:  # fmt: skip
        """A finding about some characters of a formula."""
        return code.at(reading.span(pointer, offset, length, self.source), message, hint)
