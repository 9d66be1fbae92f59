"""Say what a check is: a name, one sentence of what it demands, and a function that looks."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from avtomat.conformance.stage import Stage


class Look(Protocol):
    """A function that looks at a worker; a check has its name and its docstring."""

    __name__: str

    def __call__(self, stage: Stage, /) -> Coroutine[Any, Any, None]:
        """Look."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One demand. `look` returns when it is met; it raises Fault when it is not, NotOfferedError when the worker does
    not have what the demand is about.
    """

    name: str
    demand: str
    look: Look


class Checks:
    """The checks of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self.all: list[Check] = []

    def add(self, look: Look) -> Look:
        """Make a check of the decorated function: its name is the check's, its docstring is the demand."""
        self.all.append(Check(name=look.__name__, demand=" ".join((look.__doc__ or "").split()), look=look))
        return look
