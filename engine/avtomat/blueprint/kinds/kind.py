"""Say what the compiler must know of a kind of state."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import StateSpec
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.program import State
from avtomat.core.value import value


def _nothing(_state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return iter(())


def never(_state: StateSpec) -> bool:
    """No state of the kind."""
    return False


def always(_state: StateSpec) -> bool:
    """Every state of the kind."""
    return True


@value
class Kind:
    """A kind of state, by the key that makes a state one of it.

    `called` and `does` are for messages: `a wait` that `only waits`. `entered` gives the values with formulas that are
    read when such a state is entered, and whether secrets may stand in them. `assemble` is None for a kind that this
    version cannot run.
    """

    key: str
    called: str = "this state"
    does: str = "ends its machine"
    has_output: Callable[[StateSpec], bool] = never
    has_status: Callable[[StateSpec], bool] = never
    has_failures: Callable[[StateSpec], bool] = never
    """Whether `failures` and `failed` can be read in its arms."""
    ends: bool = False
    waits: bool = False
    """Whether a time of zero means to look once and go on."""
    entered: Callable[[StateSpec], Iterator[tuple[Node, bool]]] = _nothing
    assemble: Callable[[Parts, StateSpec], State] | None = None


def values_of(state: StateSpec, *keys: str) -> Iterator[tuple[Node, bool]]:
    """The values of these keys, where they are written, without secrets."""
    for key in keys:
        if (node := state.part(key)) is not None:
            yield node, False
