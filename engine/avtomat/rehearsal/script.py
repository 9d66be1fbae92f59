"""Choose what a worker answers: by path of the state, then by kind of task; the case's own answers, then the defaults.

One answer is for every attempt that it fits. Of a list each is for one attempt: the first that is left and whose `when`
holds. Where no `when` holds, the next key is asked; a list with nothing left ends the case, unless all in it had a
`when`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.core.family import StartJob
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import CALL
from avtomat.core.value import value
from avtomat.rehearsal.cases import Answer, Answers, Case

PARAMS_SHOWN_MAX = 200
_INDEX = re.compile(r"\[\d+\]")


@value
class Task:
    """An attempt that was offered to workers, or a child. `place` is the path of its state (`pick[1]`), or what it
    undoes; that of a child's task begins with the name of its blueprint (`account:make`).
    """

    kind: str
    place: str
    attempt: int
    params: Json
    is_undo: bool = False
    is_child: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What it can be called by, the most exact first. An undo is no attempt of the state that it undoes."""
        names = called(self.params) if self.kind == CALL else (self.kind,)
        return names if self.is_undo else tuple(dict.fromkeys((self.place, plain(self.place), *names)))


class CaseStopped(Exception):  # noqa: N818 - it is how a case ends, not a fault of the engine
    """The case cannot go on; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Script:
    """The answers of one case, and which of its lists have been used how far."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._left: dict[int, list[Answer]] = {}

    def answer(self, task: Task, now: datetime) -> Answer:
        """The answer to this attempt. CaseStopped: there is none."""
        for answers in self._answers_for(task):
            found = self._take(answers, task, now)
            if found is not None:
                return found
        message = f"nothing answers {_named(task)}, params {_shown(task.params)}"
        hint = f"add to `tasks`: {task.kind}: {{output: …}}, or {{error: …}}, or {{silent: true}}"
        if task.kind == CALL:
            hint = f'add to `calls`: "{called(task.params)[-1]}": {{status: 200, body: …}}, or {{broken: true}}'
        raise CaseStopped(codes.NO_ANSWER.at(self._case.name.span, message, hint))

    def answer_child(self, order: StartJob, *, is_real: bool) -> Answer | None:
        """How this child ends; None where it is to run itself. CaseStopped: it cannot, or nothing is left to say."""
        task = Task(kind=order.blueprint, place=order.place, attempt=order.attempt, params=order.input, is_child=True)
        for layer in self._case.children:
            for answers in (layer[key] for key in task.keys if key in layer):
                found = self._take(answers, task, self._case.now)
                if found is not None:
                    return found
        if is_real:
            return None
        message = f"nothing says how {_named(task)} ends, input {_shown(task.params)}"
        hint = f"add to `children`: {order.blueprint}: {{result: …}}, or {{error: …}}; or put its file beside this one"
        raise CaseStopped(codes.NO_ANSWER.at(self._case.name.span, message, hint))

    def _answers_for(self, task: Task) -> Iterator[Answers]:
        for layer in self._case.layers:
            yield from (layer[key] for key in task.keys if key in layer)

    def _take(self, answers: Answers, task: Task, now: datetime) -> Answer | None:
        if not answers.is_list:
            return next((each for each in answers.each if _fits(each, task, now)), None)
        left = self._left.setdefault(id(answers), list(answers.each))
        if not left and any(each.when is None for each in answers.each):
            message = f"the list of {len(answers.each)} ran out: nothing is left for {_named(task)}"
            hint = "add an answer, or write one that is no list: it is for every attempt"
            raise CaseStopped(codes.ANSWERS_RAN_OUT.at(answers.span, message, hint))
        found = next((each for each in left if _fits(each, task, now)), None)
        if found is not None:
            left.remove(found)
        return found


def called(request: Mapping[str, Json]) -> tuple[str, ...]:
    """What a request can be called by: method and url, with its own query and without it."""
    url = str(request.get("url"))
    names = (f"{request['method']} {each}" for each in (url, url.partition("?")[0]))
    return tuple(dict.fromkeys(names))


def plain(place: str) -> str:
    """The path of a state without the numbers of items: `pack.pick` for `pack[3].pick`."""
    return _INDEX.sub("", place)


def _fits(answer: Answer, task: Task, now: datetime) -> bool:
    if answer.when is None:
        return True
    given = "input" if task.is_child else "params"
    held = answer.when.holds({given: task.params, "attempt": task.attempt}, now)
    if isinstance(held, Finding):
        raise CaseStopped(held)
    return held


def _named(task: Task) -> str:
    if task.is_child:
        return f"the child {task.kind} (attempt {task.attempt} of {task.place})"
    what = f"the undo of {task.place}" if task.is_undo else task.place
    return f"the task {task.kind} (attempt {task.attempt} of {what})"


def _shown(params: Json) -> str:
    text = json.dumps(params, ensure_ascii=False)
    return text if len(text) <= PARAMS_SHOWN_MAX else f"{text[:PARAMS_SHOWN_MAX]}…"
