"""Choose the store and the history database that the settings name; only the modules of those are imported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from avtomat.errors import SettingsError
from avtomat.settings import Settings
from avtomat.storage.history.port import HistoryDatabase
from avtomat.storage.port.store import Store

AGEING_MAX: Final = timedelta(days=30)
"""Places in queues are whole numbers up to 2^53, which a longer time would exceed in the end."""


def open_store(settings: Settings, offset_ms: Callable[[], int] | None = None) -> Store:
    """The store that the settings name; only its module is imported. With a history database it has an outbox.

    `offset_ms` is added to the store's clock: tests turn it by hand.
    """
    outbox, ageing_ms = settings.history is not None, round(min(settings.ageing, AGEING_MAX).total_seconds() * 1000)
    if settings.sqlite_path is not None:
        from avtomat.storage.sqlite.store import SqliteStore

        return SqliteStore(
            settings.sqlite_path,
            partitions=settings.partitions,
            offset_ms=offset_ms,
            outbox=outbox,
            ageing_ms=ageing_ms,
        )
    if settings.store.startswith("memory:"):
        from avtomat.storage.memory.store import MemoryStore

        return MemoryStore(
            partitions=settings.partitions, offset_ms=offset_ms, history_outbox=outbox, ageing_ms=ageing_ms
        )
    from avtomat.storage.redis.store import RedisStore
    from avtomat.storage.redis.wire.url import RedisUrlError

    try:
        return RedisStore(
            settings.store,
            partitions=settings.partitions,
            offset_ms=offset_ms,
            history_outbox=outbox,
            store_id=settings.store_id or "",
            ageing_ms=ageing_ms,
        )
    except RedisUrlError as wrong:
        raise SettingsError(f"store: {wrong}") from None


def open_history(url: str) -> HistoryDatabase:
    """The history database at `url`; it connects when it is first used. SettingsError: its package is missing."""
    try:
        from avtomat.storage.history.postgres import PostgresHistory
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"the setting history needs the package {missing.name}", hint="pip install 'avtomat[postgres]'"
        ) from None
    return PostgresHistory(url)
