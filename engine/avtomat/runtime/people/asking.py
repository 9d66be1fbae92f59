"""Find what people are asked in a job: the approvals that its scopes wait for, by name or all of them.

One that is named is found on its way down from the root, so that the size of the job does not matter. A list looks at
so many bodies of blocks and no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.kinds.approvals import ApprovalState
from avtomat.core.kinds.blocks import ForeachState, ParallelState
from avtomat.core.scope import ROOT
from avtomat.core.timestamp import format_time
from avtomat.core.value import value
from avtomat.core.waiting import OnFinally, OnFork
from avtomat.runtime.jobs.kept import Kept, state_path
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.rules import child_path
from avtomat.storage.port.store import Store

BODIES_LOOKED_AT_MAX: Final = 200
_FINALLY: Final = "finally"
"""How the paths of states begin that run at the end of a job."""

_ITEM: Final = re.compile(r"\[(\d{1,9})\]", re.ASCII)
_SCOPE: Final = re.compile(r"/|(?:/\d{1,9}\.\d{1,9}){1,20}", re.ASCII)


@value
class Asked:
    """One question that is open: the state that asks, where it stands, and what it waits for."""

    kept: Kept
    state: ApprovalState
    waiting: OnApproval

    @property
    def scope(self) -> str:
        """The path of the scope that asks."""
        return self.kept.scope.path

    @property
    def place(self) -> str:
        """The path of the state, as errors have it."""
        return state_path(self.kept) or self.scope

    def as_json(self) -> dict[str, Json]:
        """The question by the words of the API."""
        entered, deadline = self.kept.scope.entered_at, self.waiting.deadline
        return {
            "job_id": self.kept.head.job,
            "blueprint": self.kept.head.blueprint,
            "state": self.place,
            "scope": self.scope,
            "visit": self.waiting.visit,
            "text": self.waiting.text,
            "choices": self.state.choices,
            "form": self.state.form_schema,
            "assignees": self.waiting.assignees,
            "since": None if entered is None else format_time(entered),
            "deadline": None if deadline is None else format_time(deadline),
            "reminders": self.waiting.reminders,
        }


class Questions:
    """Finds open questions in the store, whatever this replica keeps."""

    def __init__(self, store: Store, scopes: Scopes) -> None:
        self._store = store
        self._scopes = scopes

    async def all_of(self, job: str) -> tuple[list[Asked], bool]:
        """The open ones of a job, and whether bodies were left out because there are too many."""
        found: list[Asked] = []
        paths, room, is_all = [ROOT], BODIES_LOOKED_AT_MAX, True
        while paths:
            kept = await self.scope(job, paths.pop(0))
            if kept is None:
                continue
            asked, waiting = asked_in(kept), kept.scope.waiting
            if asked is not None:
                found.append(asked)
            elif isinstance(waiting, OnFork | OnFinally):
                below = await self._below(job, kept.scope.path, waiting.number, room + 1)
                is_all = is_all and len(below) <= room
                paths += below[:room]
                room -= len(below[:room])
        return found, is_all

    async def named(self, job: str, name: str) -> Kept | None:
        """The scope that stands in the state at this path, or that has this path itself; None when none does."""
        if _SCOPE.fullmatch(name):
            return await self.scope(job, name)
        path: str | None = ROOT
        while path is not None:
            kept = await self.scope(job, path)
            if kept is None or state_path(kept) == name:
                return kept
            path = _towards(kept, name)
        return None

    async def scope(self, job: str, path: str) -> Kept | None:
        """A scope as the store has it now; None when it has ended or is not there."""
        loaded = await repeat(lambda: self._store.load(job, path))
        return None if loaded is None or loaded.scope is None else await self._scopes.keep(loaded)

    async def _below(self, job: str, path: str, number: int, limit: int) -> Sequence[str]:
        below = await repeat(lambda: self._store.below(job, path, number, limit))
        return () if below is None else below.paths


def asked_in(kept: Kept) -> Asked | None:
    """What the scope asks, if it does."""
    scope, state = kept.scope, state_of(kept)
    if isinstance(scope.waiting, OnApproval) and isinstance(state, ApprovalState):
        return Asked(kept=kept, state=state, waiting=scope.waiting)
    return None


def choices_of(kept: Kept) -> Sequence[str]:
    """What may be answered to what the scope asks."""
    asked = asked_in(kept)
    return () if asked is None else asked.state.choices


def state_of(kept: Kept) -> object:
    """The state in which the scope stands."""
    return kept.program.machines[kept.scope.machine].states.get(kept.scope.state or "")


def _towards(kept: Kept, name: str) -> str | None:
    """The path of the body through which a state's path leads on from this scope."""
    waiting, state, here = kept.scope.waiting, state_of(kept), state_path(kept) or ""
    if isinstance(waiting, OnFinally):
        is_inside = name.partition(".")[0].partition("[")[0] == _FINALLY
        return child_path(kept.scope.path, waiting.number, 0) if is_inside else None
    if not isinstance(waiting, OnFork) or not name.startswith(here):
        return None
    rest, index = name[len(here) :], None
    if isinstance(state, ForeachState):
        item = _ITEM.match(rest)
        index = None if item is None else int(item[1])
    elif isinstance(state, ParallelState):
        branch = rest[1:].partition(".")[0].partition("[")[0] if rest.startswith(".") else ""
        index = [*state.branches].index(branch) if branch in state.branches else None
    if index is None or index >= waiting.total:
        return None
    return child_path(kept.scope.path, waiting.number, index)
