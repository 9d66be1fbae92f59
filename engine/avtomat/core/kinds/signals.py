"""The state that waits for a message from outside: a signal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from avtomat.core.amounts import AuthorError
from avtomat.core.flow import contract_error, fail, go_on, leave, make_error
from avtomat.core.formula import Check, Template
from avtomat.core.kinds.state import NO_TIME, ActiveState, Step, parts_of
from avtomat.core.messages import Decision, Ignored, SignalReceived, TimerFired
from avtomat.core.program import Amount, Part
from avtomat.core.value import value
from avtomat.core.waiting import OnSignal, Waiting
from avtomat.core.walk import Names, Walk

KEY_CHARACTERS_MAX = 512
_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@value
class SignalState(ActiveState):
    """Waits for a signal with this name and key; its output is the payload.

    `address` is where the store keeps signals of this name for waiters with this `expects`: the name itself, unless
    states of one name expect different payloads.
    """

    KEY = "signal"

    signal: str
    address: str
    key: Template | None = None
    expects: Check | None = None
    timeout: Amount | None = None

    def enter(self, walk: Walk) -> Step:
        """Wait for the signal. One that came before is taken all the same, even where no time is left to wait."""
        names = walk.names()
        key = "" if self.key is None else _key(walk, self.key, names)
        span = walk.render_span(self.timeout, names)
        deadline = None if span is None else walk.now + max(span, timedelta())
        return walk.wait_for(OnSignal(address=self.address, key=key, deadline=deadline))

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """No signal came in time."""
        del event
        if not isinstance(waiting, OnSignal):
            return NO_TIME
        text = f"no signal {self.signal} came within the timeout"
        return go_on(walk, fail(walk, make_error(walk, "TIMEOUT_ERROR", text)))

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.key, self.timeout)


def _key(walk: Walk, template: Template, names: Names) -> str:
    """The key as senders write it: a text, or a number as in JSON."""
    key = walk.render(template, names).value
    if isinstance(key, bool) or not isinstance(key, str | int | float):
        raise AuthorError("TEMPLATE_ERROR", "the key of a signal is a text or a number, this one is neither")
    text = key if isinstance(key, str) else json.dumps(key)
    problem = key_problem(text)
    if problem is not None:
        raise AuthorError("TEMPLATE_ERROR", problem)
    return text


def key_problem(key: str) -> str | None:
    """Why a text cannot be the key of a signal; None if it can."""
    if len(key) > KEY_CHARACTERS_MAX:
        return f"the key of a signal has at most {KEY_CHARACTERS_MAX} characters, this one {len(key)}"
    if _NO_TEXT.search(key) is not None:
        return "the key of a signal must not have line breaks, control characters or halves of characters"
    return None


def answer_signal(walk: Walk, event: SignalReceived) -> Decision:
    """Go on with the payload. Whoever sent it was told if it is not what `expects` describes."""
    waiting, state = walk.before.waiting, walk.machine.states.get(walk.state or "")
    if not isinstance(waiting, OnSignal) or not isinstance(state, SignalState) or state.signal != event.name:
        return Ignored(reason="the scope does not wait for this signal")
    problems = state.expects.problems(event.payload) if state.expects is not None else ()
    if problems:
        error = contract_error("the payload is not what `expects` describes", problems)
        return go_on(walk, fail(walk, replace(error, state=walk.place)))
    return go_on(walk, leave(walk, state, event.payload))
