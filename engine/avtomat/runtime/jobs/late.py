"""Read what the store mails of an attempt that took effect when its scope had gone on without it, or was closed."""

from __future__ import annotations

from avtomat.core.messages import LateSuccess, TaskSucceeded, View
from avtomat.core.scope import ROOT
from avtomat.runtime.jobs.events import numbered
from avtomat.runtime.jobs.kept import state_path
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.storage.port.answers import Loaded
from avtomat.storage.port.codec import answer_from_json, loads
from avtomat.storage.port.rules import read_late
from avtomat.storage.port.writes import Mail


async def late_success(scopes: Scopes, job: str, mail: Mail, loaded: Loaded | None) -> LateSuccess | None:
    """The event that such mail stands for, with the values that the scope's undo may read; None when the job is gone.
    `loaded` is the root, where the caller has it.
    """
    root = await scopes.at(job, ROOT, loaded, None)
    if root is None:
        return None
    left, said = read_late(mail)
    kept = await scopes.left(root, left)
    answer = numbered(answer_from_json(loads(said)), kept.scope)
    assert isinstance(answer, TaskSucceeded)
    view = View(head=kept.head, scope=kept.scope, around=kept.around, values=await scopes.values(kept))
    return LateSuccess(answer=answer, left=view, place=state_path(kept) or "")
