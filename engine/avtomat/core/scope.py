"""Hold a scope: one position inside a job, and what is around it.

Rules
  * A job is a tree of scopes. The root is `/`; a branch or an item that a block forked is `/<fork>.<index>` below the
    scope that forked it, level by level (`/1.17/0.2`).
  * A scope belongs to one machine of the program (the root machine or a body of a block) and stands in one of its
    states. It changes by commits alone, and its version counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.model import Error, Ref
from avtomat.core.value import value
from avtomat.core.waiting import Waiting

ROOT = "/"


@value
class Scope:
    """One position inside a job.

    `visit` numbers the states entered in this scope, so that (path, visit) names one stay in one state for ever.
    `data` and `outputs` are the scope's own; those around it were written down when it was forked (`Around`).
    `outputs` holds the output of each state's last visit, or a `Ref` to it. `rescued` is set once the blueprint's own
    `catch` was taken: it takes nothing from the states it led to. `finally_error` is what the job's `finally` failed
    with.
    """

    path: str = ROOT
    version: int = 0
    machine: str = ""
    state: str | None = None
    visit: int = 0
    entered_at: datetime | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json | Ref] = field(default_factory=dict)
    error: Error | None = None
    hops: int = 0
    forks: int = 0
    rescued: bool = False
    finally_error: Error | None = None
    waiting: Waiting = None


@value
class Around:
    """What a body of a block sees of the machines around it, as it was when the block was entered, and its own place.

    `machine` is the address of the body, `names` its `as` names with their items, and `index`; `place` is the path of
    the body in errors (`pack[3]`, `tell.mail`); `error` is the last one that a `catch` around it took; `ending`, inside
    `finally`, says how the job is to end. The root has an empty one.
    """

    machine: str = ""
    place: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json | Ref] = field(default_factory=dict)
    names: Mapping[str, Json] = field(default_factory=dict)
    error: Error | None = None
    ending: Mapping[str, Json] | None = None


NOTHING_AROUND: Final = Around()
"""What is around the root."""
