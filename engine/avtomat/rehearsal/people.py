"""Stand in for people: decide what a job asks, as the case says, so long after it was asked.

A question is found by the path of its state, with the numbers of items or without. One decision is for every question
under its key; of a list each is for one, in the order in which they are asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.yaml.nodes import Span
from avtomat.core.timestamp import to_ms
from avtomat.core.value import value
from avtomat.errors import RequestRefused
from avtomat.rehearsal.cases import Case, Decided, Decisions
from avtomat.rehearsal.queueing import VisitQueues
from avtomat.rehearsal.script import CaseStopped, plain
from avtomat.runtime.people.approvals import Answer, Approvals, Decider
from avtomat.runtime.people.asking import Asked, Questions, asked_in

SOMEBODY = "somebody"
"""Who decides where neither the case nor the state names anybody."""


@value
class Unused:
    """A decision of the case that nothing came of, and why."""

    span: Span
    text: str


class People:
    """Those who decide in one case."""

    def __init__(self, case: Case, store: VisitQueues, questions: Questions, approvals: Approvals) -> None:
        self._layers = case.approvals
        self._store = store
        self._questions = questions
        self._approvals = approvals
        self._left: dict[int, list[Decided]] = {}
        self._coming: list[tuple[int, int, str, int, Decided]] = []
        self._places: dict[str, str] = {}
        self._asked = 0
        self._taken: set[int] = set()
        self._refused: list[Unused] = []

    async def hear(self, job: str) -> None:
        """Hear what is asked now, and make up their minds."""
        for path, visit in self._store.take_asked():
            kept = await self._questions.scope(job, path)
            asked = None if kept is None else asked_in(kept)
            if asked is not None and asked.waiting.visit == visit:
                self._places[path] = asked.place
                self._plan(asked)

    @property
    def next_ms(self) -> int | None:
        """When somebody decides next."""
        return self._coming[0][0] if self._coming else None

    async def decide_next(self, job: str) -> None:
        """Decide as they would by the API: what is refused is noted."""
        _, _, path, visit, decided = heapq.heappop(self._coming)
        kept = await self._questions.scope(job, path)
        asked = None if kept is None else asked_in(kept)
        names = () if asked is None else asked.waiting.assignees
        by = decided.by or next(iter(names), SOMEBODY)
        answer = Answer(choice=decided.choice, comment=decided.comment, form=decided.form, visit=visit)
        decider = Decider(name=by, operates=not names, via="test")
        try:
            await self._approvals.decide(job, None, path, answer, decider)
        except RequestRefused as refused:
            gone = refused.status in {404, 410}
            why = "the state was left before" if gone else refused.message
            self._refused.append(Unused(span=decided.span, text=f"`{self._places[path]}` was not decided: {why}"))

    def awaited(self) -> list[str]:
        """What is asked and nobody will decide."""
        return [f"a decision of {self._places.get(path, path)}" for path in self._store.decisions_awaited()]

    def unused(self, *, is_over: bool) -> Iterator[Unused]:
        """Decisions that were refused; and where the case came to its end, its own that nobody made."""
        yield from self._refused
        for _, _, path, _, decided in self._coming if is_over else ():
            yield Unused(span=decided.span, text=f"`{self._places[path]}` was not decided: the job ended before")
        for key, decisions in self._layers[0].items() if is_over else ():
            for decided in self._left.get(id(decisions), ()) if id(decisions) in self._taken else decisions.each:
                yield Unused(span=decided.span, text=f"a decision of `{key}` was not used: it was not asked for")

    def _plan(self, asked: Asked) -> None:
        entered_at, place = asked.kept.scope.entered_at, asked.place
        decided = self._decided(place)
        if decided is None or decided.silent or entered_at is None:
            return
        self._asked += 1
        at_ms = to_ms(entered_at) + decided.after_ms
        heapq.heappush(self._coming, (at_ms, self._asked, asked.scope, asked.waiting.visit, decided))

    def _decided(self, place: str) -> Decided | None:
        """What somebody decides when this state asks; None: nobody does."""
        for layer in self._layers:
            for key in dict.fromkeys((place, plain(place))):
                if key in layer:
                    return self._take(layer[key], place)
        return None

    def _take(self, decisions: Decisions, place: str) -> Decided:
        self._taken.add(id(decisions))
        if not decisions.is_list:
            return decisions.each[0]
        left = self._left.setdefault(id(decisions), list(decisions.each))
        if not left:
            message = f"the list of {len(decisions.each)} ran out: {place} asks once more"
            hint = "add a decision, or {silent: true} where nobody decides; one that is no list is for every question"
            raise CaseStopped(codes.ANSWERS_RAN_OUT.at(decisions.span, message, hint))
        return left.pop(0)
