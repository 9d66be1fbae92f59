"""Ask a store what became of a cause, without writing anything."""

from __future__ import annotations

from typing import Final

from avtomat.storage.port.answers import Committed
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Cause, Writes

_NO_VERSION: Final = -1
_NOTHING: Final = Writes(scope=b"", visit=0, record=b"")


async def ask(store: Store, job: str, path: str, cause: Cause) -> Committed:
    """The answer that a commit under this cause would get, if the scope had moved: never OK, for nothing is written.

    MOVED says that the cause counts still, and brings the scope as it is. Any other outcome is final.
    """
    return await store.commit(job, path, _NO_VERSION, cause, _NOTHING)


def only_asks(version: int) -> bool:
    """Whether a commit with this version is such a question."""
    return version == _NO_VERSION
