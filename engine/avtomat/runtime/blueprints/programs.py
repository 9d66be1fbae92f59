"""Give the program that a job runs: the current one by name, or any that a job still needs by digest.

What is current is the store's word: replicas offer what they have, and all follow what stands there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from avtomat.core.program import Program
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.blueprints.standing import Standing, standing_of
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

KEPT_MAX: Final = 1_000
"""Programs of earlier versions kept in memory; beyond that the store is asked again."""

UNKNOWN: Final = -1
"""No store's number of what is current."""

Change = Callable[[str, Standing | None], Standing | None]
"""What is to stand under a name from now on, told what does; None leaves it."""


class Programs:
    """The current programs, and those that running jobs were started with.

    `never_good` are names that the folder has and of which no version is current; `missing` those whose current version
    cannot be had here (an earlier one may go on). `is_elsewhere`: the store has forgotten names, so it is another one.
    """

    def __init__(self, store: Store, build: Callable[[str], Program]) -> None:
        self._store = store
        self._build = build
        self._current: Mapping[str, Program] = {}
        self._kept: OrderedDict[str, Program] = OrderedDict()
        self._own: Sequence[Program] = ()
        self._number = 0
        self._records: Mapping[str, bytes] = {}
        self._following = asyncio.Lock()
        self.standing: Mapping[str, Standing] = {}
        self.never_good: Collection[str] = ()
        self.missing: AbstractSet[str] = frozenset()
        self.is_elsewhere = False

    @property
    def current(self) -> Mapping[str, Program]:
        """The programs that new jobs start with, by name."""
        return self._current

    async def swap(self, programs: Mapping[str, Program]) -> None:
        """Make these the current ones in this process alone, whatever the store says: they are stored first."""
        await self._store.put_programs({program.digest: program.canonical for program in programs.values()})
        self._current = dict(programs)
        for program in programs.values():
            self._keep(program)

    # --- what is current ----------------------------------------------------------------------------------------------

    async def follow(self, texts: Mapping[str, str] | None = None) -> None:
        """Make current what the store says is; `texts` are canonical forms that are at hand, by digest."""
        async with self._following:
            found = await self._store.current(self._number)
            if found is None:
                return
            number, records = found
            standing = {
                name: self.standing[name] if self._records.get(name) == record else standing_of(record)
                for name, record in records.items()
            }
            current = {
                name: program
                for name, each in standing.items()
                if not each.is_retired and (program := await self._at_hand(name, each.digest, texts or {})) is not None
            }
            forgotten = self._records.keys() - records.keys()
            self.is_elsewhere = self.is_elsewhere or bool(forgotten)
            forgotten |= self.missing if self.is_elsewhere else set()
            self.missing = _missing(standing, current) | (forgotten - current.keys())
            self._number, self._records, self.standing, self._current = number, records, standing, current
            self.never_good = [name for name in self.never_good if name not in current]

    def look_again(self) -> None:
        """Read what is current the next time, whatever its number: it may be another store's."""
        self._number = UNKNOWN

    def settle(self) -> None:
        """All was offered to a store that had forgotten names: it knows them again, or they are gone."""
        self.is_elsewhere = False
        self.missing = _missing(self.standing, self._current)

    async def change(self, names: Collection[str], change: Change, texts: Mapping[str, str]) -> list[str]:
        """Let `change` say what stands under each of these names. Returns those that it changed; another replica that
        changes one meanwhile makes it be asked again.
        """
        changed: list[str] = []
        left: Collection[str] = names
        await self.follow(texts)
        while True:
            wanted = {name: change(name, self.standing.get(name)) for name in left}
            records = {name: each.as_bytes() for name, each in wanted.items() if each is not None}
            records = {name: record for name, record in records.items() if self._is_news(name, record, wanted[name])}
            if not records:
                return changed
            digests = {each.digest for name, each in wanted.items() if each is not None and name in records}
            await self._store.put_programs({digest: texts[digest] for digest in digests if digest in texts})
            was = {name: self._records[name] for name in records if name in self._records}
            left = await self._store.put_current(records, was)
            changed += [name for name in records if name not in left]
            await self.follow(texts)

    def _is_news(self, name: str, record: bytes, standing: Standing | None) -> bool:
        """Whether the store does not say this yet, or has lost the program of which it says so."""
        is_lost = standing is not None and not standing.is_retired and name not in self._current
        return is_lost or record != self._records.get(name)

    async def restore(self, name: str, digest: str) -> None:
        """Make an earlier version current again. RequestRefused: 404 for a name or version that is not kept, or for the
        beginning of several.
        """
        await self.follow()
        standing = self.standing.get(name)
        if standing is None:
            raise RequestRefused(f"there is no blueprint {name[:80]!r}", status=404, code="blueprint.not_found")
        known = [standing.digest, *(each for each, _ in standing.replaced)]
        found = [each for each in dict.fromkeys(known) if digest and each.startswith(digest)]
        if len(found) > 1:
            raise RequestRefused(
                f"several versions of {name[:80]!r} begin with {digest[:80]}",
                status=404,
                code="blueprint.no_version",
                hint=f"write more digits: {', '.join(found)[:500]}",
            )
        text = await self._store.program(found[0]) if found else None
        if text is None:
            raise RequestRefused(
                f"no version {digest[:80]!r} of {name[:80]!r} is kept",
                status=404,
                code="blueprint.no_version",
                hint=f"versions: {', '.join(each[:12] for each in reversed(known))[:500]}",
            )
        await self.change([name], lambda _, now: self._restored(now, found[0]), {found[0]: text})

    def _restored(self, now: Standing | None, digest: str) -> Standing | None:
        if now is None or (now.digest == digest and not now.is_retired):
            return now
        return now.followed_by(digest, self._store.now_ms(), file=now.file, source="")

    async def refresh(self) -> None:
        """Tell the store that the current programs, and the engine's own, are still in use."""
        programs = (*self._current.values(), *self._own)
        await self._store.put_programs({program.digest: program.canonical for program in programs})

    async def keep_own(self, programs: Sequence[Program]) -> None:
        """Store programs of the engine's own, which are in use as long as it runs."""
        self._own = programs
        if programs:
            await self._store.put_programs({program.digest: program.canonical for program in programs})
        for program in programs:
            self._keep(program)

    # --- by digest ----------------------------------------------------------------------------------------------------

    def known(self, digest: str) -> Program | None:
        """The program if it is at hand."""
        return self._kept.get(digest)

    def family_of(self, program: Program) -> Mapping[str, str]:
        """The current versions, by name, of all blueprints that the program runs, or that these run."""
        found: dict[str, str] = {}
        ahead = [*program.runs]
        while ahead:
            run = self._current.get(ahead.pop())
            if run is not None and run.name not in found:
                found[run.name] = run.digest
                ahead += run.runs
        return found

    async def by_digest(self, digest: str) -> Program:
        """The program of a running job; raises StoreError when the store has lost it."""
        program = self._kept.get(digest)
        if program is None:
            canonical = await self._store.program(digest)
            if canonical is None:
                raise StoreError(f"the store has no program {digest[:12]}, which a running job needs")
            program = self._build(canonical)
            self._keep(program)
        return program

    async def _at_hand(self, name: str, digest: str, texts: Mapping[str, str]) -> Program | None:
        """The program of a version that is current; what cannot be built leaves the one that was."""
        before = self._current.get(name)
        if before is not None and before.digest == digest:
            return before
        await asyncio.sleep(0)  # building takes a while, and jobs go on meanwhile
        program = self._kept.get(digest)
        if program is None:
            canonical = texts.get(digest) or await self._store.program(digest)
            program = None if canonical is None else self._built(name, digest, canonical)
            if canonical is None:
                log.error("the store has no program %s, which is current for %s", digest[:12], name)
        return program or before

    def _built(self, name: str, digest: str, canonical: str) -> Program | None:
        """The program, which is kept; None for what this version of the engine cannot read: a newer one wrote it."""
        try:
            program = self._build(canonical)
        except Exception as failed:  # whatever it is, the other names go on
            log.error("program %s, which is current for %s, cannot be built: %r", digest[:12], name, failed)  # noqa: TRY400 - the place says nothing
            return None
        self._keep(program)
        return program

    def _keep(self, program: Program) -> None:
        self._kept[program.digest] = program
        self._kept.move_to_end(program.digest)
        while len(self._kept) > KEPT_MAX + len(self._current):
            self._kept.popitem(last=False)


def _missing(standing: Mapping[str, Standing], current: Mapping[str, Program]) -> AbstractSet[str]:
    """Names whose current version is not the one that is at hand."""
    return {
        name
        for name, each in standing.items()
        if not each.is_retired and (name not in current or current[name].digest != each.digest)
    }
