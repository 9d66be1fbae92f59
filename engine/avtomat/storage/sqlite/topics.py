"""Keep what replicas agree on beside jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from avtomat.storage.sqlite.writer import Step

_NUMBER: Final = "SELECT value FROM avtomat_meta WHERE name = 'agreed_number ' || ?"
_ALL: Final = "SELECT name, record FROM agreed WHERE topic = ?"
_ONE: Final = "SELECT record FROM agreed WHERE topic = ? AND name = ?"
_PUT: Final = "INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)"
_TAKE_AWAY: Final = "DELETE FROM agreed WHERE topic = ? AND name = ?"
_COUNT: Final = """
INSERT INTO avtomat_meta VALUES ('agreed_number ' || ?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"""


def agreed(db: sqlite3.Connection, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
    """See `Store.agreed`. A change between the two reads is in the records, and seen again with its number."""
    row: tuple[int] | None = db.execute(_NUMBER, (topic,)).fetchone()
    number = 0 if row is None else row[0]
    return None if number == seen else (number, dict(db.execute(_ALL, (topic,))))


def agree(step: Step, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
    """See `Store.agree`."""
    refused = []
    for name, record in changes.items():
        row: tuple[bytes] | None = step.db.execute(_ONE, (topic, name)).fetchone()
        if (None if row is None else row[0]) != was.get(name):
            refused.append(name)
        elif record:
            step.db.execute(_PUT, (topic, name, record))
        else:
            step.db.execute(_TAKE_AWAY, (topic, name))
    if len(refused) < len(changes):
        step.db.execute(_COUNT, (topic,))
    return refused
