"""Watch the folder of blueprints: compile the whole set after a change and swap it as one, or keep what runs and say
why.

Compiling happens in a thread, so that the loop goes on. Running jobs never notice: they keep the program they began
with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from watchfiles import Change, awatch

from avtomat.blueprint.files import find_blueprints, read_file
from avtomat.blueprint.registry import Registry, compile_folder
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.errors import StoreError
from avtomat.runtime.programs import Programs

log = logging.getLogger(__name__)

DEBOUNCE_MS = 200
LOOK_EVERY_MS = 200
"""The watching thread wakes up so often although nothing changes; four times less often than it would by itself."""

AGAIN_AFTER_S = 5.0
QUIET_MS = 5_000
"""When nothing has changed for so long the folder is read once more: a change may have come after it was read and
before the watch stood.
"""


class Reloader:
    """The current set of one folder, and what is wrong with the set that was refused last."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self._folder = folder
        self._programs = programs
        self._current: Registry | None = None
        self._read = ""
        self._task: asyncio.Task[None] | None = None
        self.problems: tuple[Diagnostic, ...] = ()

    @property
    def loaded(self) -> bool:
        """Whether any set was ever taken."""
        return self._current is not None

    async def load(self) -> bool:
        """Compile the folder and make it current; False when it was refused, and why is in `problems` and the log."""
        self._read, compiled = await asyncio.to_thread(_compile, self._folder)
        if not isinstance(compiled, Registry):
            self.problems = tuple(each for each in compiled if each.severity is Severity.ERROR)
            log.error("blueprints are not reloaded: %s", summary(self.problems))
            return False
        mended, self.problems = bool(self.problems), ()
        if not mended and self._current is not None and _digests(self._current) == _digests(compiled):
            return True
        await self._programs.swap(compiled.programs)
        self._current = compiled
        log.info("%d blueprints are current: %s", len(compiled.programs), ", ".join(sorted(compiled.programs)))
        return True

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        """Load after each change. Where that fails (the store is away, the folder is not there, or the system has no
        watches left), load from time to time: it must never end.
        """
        again = False
        while True:
            try:
                if again:
                    await self.load()
                await self._load_changes()
            except StoreError as away:
                log.warning("blueprints are reloaded later: %s", away.message)
            except FileNotFoundError:
                log.warning("the folder %s is not there", self._folder)
            except Exception as failed:  # whatever it is, the next change must be seen
                log.warning("%s cannot be watched; it is read every %.0f s: %r", self._folder, AGAIN_AFTER_S, failed)
            again = True
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _load_changes(self) -> None:
        """Load after each change, and once the watch stands what changed before."""
        unsure = True
        watch = awatch(
            self._folder,
            watch_filter=_matters,
            debounce=DEBOUNCE_MS,
            step=LOOK_EVERY_MS,
            rust_timeout=QUIET_MS,
            yield_on_timeout=True,
        )
        async for changes in watch:
            if changes or (unsure and self._read != await asyncio.to_thread(_digest, self._folder)):
                await self.load()
            unsure = False


def _compile(folder: Path) -> tuple[str, Registry | list[Diagnostic]]:
    """The digest of what is in the folder, taken first: what changes meanwhile makes it another one."""
    return _digest(folder), compile_folder(folder)


def _digest(folder: Path) -> str:
    """A digest of all files of blueprints, which costs a small part of compiling them."""
    digest = sha256()
    for found in find_blueprints([folder]):
        content = found if isinstance(found, Diagnostic) else read_file(found)
        parts = (str(found).encode(), content if isinstance(content, bytes) else str(content).encode())
        for part in parts:
            digest.update(b"%d " % len(part) + part)
    return digest.hexdigest()


def _digests(registry: Registry) -> dict[str, str]:
    return {name: program.digest for name, program in registry.programs.items()}


def _matters(_change: Change, path: str) -> bool:
    """Whether a changed path may be a blueprint: a YAML file, or the link that a mounted volume swaps (`..data`)."""
    name = Path(path).name
    return name.endswith((".yaml", ".yml")) or name.startswith("..")


def summary(problems: Sequence[Diagnostic]) -> str:
    """The findings that refused a set, one a line."""
    lines = [f"{each.file}:{each.line}:{each.column}: {each.code}: {each.message}" for each in problems[:20]]
    return "\n  ".join([f"{len(problems)} findings", *lines])
