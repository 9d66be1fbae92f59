"""Tell when something in a folder changed, also when the folder itself was replaced."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import Change, awatch

DEBOUNCE_MS = 200
LOOK_EVERY_MS = 200
"""The watching thread wakes up so often although nothing changes; four times less often than it would by itself."""

QUIET_MS = 500
"""So often the folder itself is looked at: another one may have its name."""

READ_EVERY_S = 30.0
"""So often it is read although nothing was told: some file systems tell nothing."""


async def changes_of(folder: Path) -> AsyncIterator[bool]:
    """Yields after each change: True when something was told, False when it is time to look (also once the watch
    stands: a change may have come before). It ends when another folder has the name;
    FileNotFoundError when there is none.
    """
    identity = identity_of(folder)
    read_at: float | None = None
    watch = awatch(
        folder,
        watch_filter=_matters,
        debounce=DEBOUNCE_MS,
        step=LOOK_EVERY_MS,
        rust_timeout=QUIET_MS,
        yield_on_timeout=True,
    )
    async for changes in watch:
        if identity_of(folder) != identity:
            return
        if changes or read_at is None or time.monotonic() > read_at + READ_EVERY_S:
            yield bool(changes)
            read_at = time.monotonic()


def identity_of(folder: Path) -> tuple[str, int, int]:
    """Which folder has this name now: where links lead, and what is there. FileNotFoundError: nothing."""
    found = folder.stat()
    return os.path.realpath(folder), found.st_dev, found.st_ino


def _matters(_change: Change, path: str) -> bool:
    """Whether a changed path may be a blueprint: a YAML file, a folder, or the link that a mounted volume swaps
    (`..data`).
    """
    name = Path(path).name
    return name.endswith((".yaml", ".yml")) or name.startswith("..") or "." not in name
