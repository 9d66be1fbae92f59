"""Show workers to people: what each registered, what this replica hears of it, and its reputation with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.repeating import repeat
from avtomat.runtime.trust.reputations import Reputations
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.seats import kinds_of
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store

SHOWN_MAX: Final = 1_000


class Workers:
    """The workers of all replicas."""

    def __init__(self, store: Store, dispatcher: Dispatcher, reputations: Reputations) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._reputations = reputations

    async def listed(self) -> dict[str, Json]:
        """The first SHOWN_MAX that are registered, or of which a fault is known, by name; `complete`: those are all."""
        records = await repeat(self._store.workers)
        names = sorted({*records, *self._reputations.known()})
        polled, leaving = self._dispatcher.kinds_polled(), self._dispatcher.leaving()
        return {
            "workers": [
                self._shown(name, records.get(name), polled.get(name), leaving.get(name)) for name in names[:SHOWN_MAX]
            ],
            "complete": len(names) <= SHOWN_MAX,
        }

    async def one(self, name: str) -> dict[str, Json]:
        """One worker. RequestRefused: 404 when it is not registered, and no fault of it is known."""
        records = await repeat(self._store.workers)
        if name not in records and name not in self._reputations.known():
            raise RequestRefused(
                f"no worker {name[:80]!r} is registered",
                status=404,
                code="worker.not_found",
                hint="avtomat workers list shows those that are",
            )
        polled, leaving = self._dispatcher.kinds_polled(), self._dispatcher.leaving()
        return self._shown(name, records.get(name), polled.get(name), leaving.get(name))

    def _shown(
        self, name: str, registered: bytes | None, polled: tuple[str, ...] | None, leaving: str | None
    ) -> dict[str, Json]:
        record: Mapping[str, Json] = {} if registered is None else loads(registered)
        kind = record.get("worker_type")
        return {
            "worker": name,
            "registered": registered is not None,
            "type": kind if isinstance(kind, str) else None,
            "kinds": list(kinds_of(record)),
            "polls_for": None if polled is None else list(polled),
            "status": leaving,
            **self._reputations.shown(name),
        }
