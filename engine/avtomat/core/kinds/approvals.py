"""The state that asks people: an approval.

The question is rendered when the state is entered and stays as it is for the visit. The first decision of a visit is
the one that counts; which choices and which form there are is fixed in the blueprint, and whoever decides was told if
what they sent does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from avtomat.core.amounts import AuthorError
from avtomat.core.awaited_decision import OnApproval
from avtomat.core.defaults import Defaults
from avtomat.core.flow import fail, go_on, leave, make_error
from avtomat.core.formula import Check, Json, Template
from avtomat.core.kinds.state import NO_TIME, ActiveState, Step, parts_of
from avtomat.core.messages import ApprovalDecided, Decision, Ignored, TimerFired
from avtomat.core.program import Amount, Part
from avtomat.core.value import value
from avtomat.core.waiting import Waiting
from avtomat.core.walk import Names, Walk

TEXT_CHARACTERS_MAX = 8_000
ASSIGNEES_MAX = 100
NAME_CHARACTERS_MAX = 200
REMINDERS_MAX = 100
"""So often a visit is reminded of, at most."""

CHOICES = ("approve", "reject")


@value
class ApprovalState(ActiveState):
    """Asks `approval` of `assignees`; its status is one of `choices`, its output who chose what, and their form.

    `form_schema` is the author's JSON Schema, for pages; `form` checks by it, `form_defaults` are those that it names.
    """

    approval: Template
    choices: tuple[str, ...] = CHOICES
    assignees: Template | None = None
    form_schema: Json = None
    form: Check | None = None
    form_defaults: Defaults | None = None
    remind: timedelta | None = None
    timeout: Amount | None = None

    def enter(self, walk: Walk) -> Step:
        """Ask, and wait for the decision."""
        names = walk.names()
        text = walk.render_text(self.approval, names).strip()
        if len(text) > TEXT_CHARACTERS_MAX:
            found = f"the text of an approval has at most {TEXT_CHARACTERS_MAX:,} characters, this one {len(text):,}"
            raise AuthorError("TEMPLATE_ERROR", found)
        span = walk.render_timeout(self.timeout, names)
        return walk.wait_for(
            OnApproval(
                text=text,
                path=walk.before.path,
                visit=walk.visit,
                assignees=self._assigned(walk, names),
                deadline=None if span is None else walk.now + span,
                remind=self.remind,
                remind_at=_next_reminder(walk.now, self.remind, 0),
            )
        )

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """Nobody decided in time, or it is time to remind."""
        del event
        if not isinstance(waiting, OnApproval):
            return NO_TIME
        deadline = waiting.deadline
        if deadline is not None and (deadline <= walk.now or deadline == waiting.due_at):
            return go_on(
                walk, fail(walk, make_error(walk, "TIMEOUT_ERROR", "there was no decision within the timeout"))
            )
        count = waiting.reminders + 1
        later = replace(waiting, reminders=count, remind_at=_next_reminder(walk.now, waiting.remind, count))
        return replace(walk.wait_for(later), keeps=True)

    def problems(self, form: Json) -> Iterator[tuple[str, str]]:
        """What is wrong with a form, after its defaults were filled in: pointers and messages."""
        for problem in self.form.problems(form) if self.form is not None else ():
            yield problem.pointer, problem.message

    def completed(self, form: Json) -> Json:
        """The form with the defaults of its schema; nothing sent is an empty map where a form is asked for."""
        if self.form is None:
            return form
        given = {} if form is None else form
        return given if self.form_defaults is None else self.form_defaults.fill(given)

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.approval, self.assignees, self.timeout)

    def _assigned(self, walk: Walk, names: Names) -> tuple[str, ...]:
        """The names of those who may decide, each once; one name may stand alone."""
        if self.assignees is None:
            return ()
        given = walk.render(self.assignees, names).value
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list) or not all(isinstance(name, str) and name.strip() for name in listed):
            raise AuthorError("TEMPLATE_ERROR", "assignees: expected a list of names")
        if not listed:
            raise AuthorError("TEMPLATE_ERROR", "assignees: the list is empty, so there is nobody to ask")
        if len(listed) > ASSIGNEES_MAX or any(len(name) > NAME_CHARACTERS_MAX for name in listed):
            text = f"assignees: at most {ASSIGNEES_MAX} names of at most {NAME_CHARACTERS_MAX} characters"
            raise AuthorError("TEMPLATE_ERROR", text)
        return tuple(dict.fromkeys(name.strip() for name in listed))


def answer_approval(walk: Walk, event: ApprovalDecided) -> Decision:
    """Go on with the choice."""
    waiting, state = walk.before.waiting, walk.machine.states.get(walk.state or "")
    if not isinstance(waiting, OnApproval) or not isinstance(state, ApprovalState) or waiting.visit != event.visit:
        return Ignored(reason="the scope does not wait for this decision")
    output = {"choice": event.choice, "by": event.by, "comment": event.comment, "form": event.form}
    return go_on(walk, leave(walk, state, output, event.choice))


def _next_reminder(now: datetime, remind: timedelta | None, count: int) -> datetime | None:
    return None if not remind or count >= REMINDERS_MAX else now + remind
