"""What the executor holds between a decision and its commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from avtomat.core.formula import Json
from avtomat.core.messages import Decision, Event
from avtomat.core.value import value
from avtomat.runtime.jobs.writing import Written


@value
class Decided:
    """A decision about a scope, and its encoded form unless it is to be ignored."""

    decision: Decision
    written: Written | None = None


@value
class Read:
    """What was read for a decision: values that are kept by reference, by id; the event with what bodies of a block
    left, and what of that is to be written `beside` the scope.
    """

    values: Mapping[str, Json] = field(default_factory=dict)
    event: Event | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)
