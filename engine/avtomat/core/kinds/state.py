"""Say what every kind of state is to the machine: a class with these fields and these answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import ClassVar

from avtomat.core.formula import Formula, Template
from avtomat.core.messages import Change, Decision, Ignored
from avtomat.core.program import CatchArm, Compensation, RetryPolicy, Sets, Timeouts, Transition
from avtomat.core.value import value
from avtomat.core.waiting import Waiting
from avtomat.core.walk import Walk

Part = Formula | Template
"""Something that is evaluated."""

Step = str | Change
"""Where a scope goes on: the name of the state to enter next, or the Change that the decision ends with."""

NO_TIME = Ignored(reason="the scope waits for no time")


@value
class State:
    """One state of a machine. `name` is its name there.

    What is particular to a kind stands in its class and nowhere else. The machine, the checker of reads and the tests
    of blueprints ask through the methods below, so that none of them knows which kinds there are.
    """

    KEY: ClassVar[str] = ""
    """The key of the language that makes a state one of this kind; empty for a state that only sets data."""

    CROSSED: ClassVar[bool] = False
    """Whether a decision may enter it and go on at once, though nothing failed."""

    HAS_OUTPUT: ClassVar[bool] = True
    """Whether it leaves an output of its own in `outputs`."""

    HOLDS_JOBS: ClassVar[bool] = False
    """Whether it waits for jobs that it began, which undo themselves before the job ends badly."""

    name: str
    transitions: tuple[Transition, ...] = ()
    sets: Sets = ()
    catch: tuple[CatchArm, ...] = ()

    def enter(self, walk: Walk) -> Step:
        """Do what the state does. Raises AuthorError where that fails."""
        raise NotImplementedError

    def time_came(self, walk: Walk, waiting: Waiting) -> Decision:
        """Go on after the time for which this visit waited."""
        del walk, waiting
        return NO_TIME

    def parts(self) -> Iterator[Part]:
        """What is evaluated for this kind alone: not its arms and `set`."""
        return iter(())

    def bodies(self, address: str) -> Sequence[tuple[str, str]]:
        """The machines inside it, by the name of the branch ("" where there is one alone); `address` is its own."""
        del address
        return ()

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """When it is tried again; none for kinds that are tried once."""
        return ()

    @property
    def undo(self) -> Compensation | None:
        """What undoes it, if anything does."""
        return None

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secrets that its task may be given."""
        return frozenset()


def parts_of(*parts: Part | timedelta | int | str | None) -> Iterator[Part]:
    """Those that are evaluated: a duration or a number that is written out reads nothing."""
    return only_parts(parts)


def only_parts(parts: Iterable[Part | timedelta | int | str | None]) -> Iterator[Part]:
    """As `parts_of`, of a list."""
    for part in parts:
        if part is not None and not isinstance(part, timedelta | int | str):
            yield part


def parts_of_times(times: Timeouts) -> Iterator[Part]:
    """The times of a task that are rendered."""
    return parts_of(times.queue, times.attempt, times.heartbeat, times.total)
