"""Watch the folder of blueprints, compile what changed, and offer it: each blueprint goes live by itself.

A file with errors keeps its last good version, and the others go on. What is current is the store's word (see
programs.py): a replica offers its folder when it starts and what changes there afterwards. Running jobs never notice:
they keep the program that they began with.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from avtomat.blueprint.cache import checker_identity
from avtomat.blueprint.families import Run, always_runs
from avtomat.blueprint.files import is_there
from avtomat.blueprint.registry import Compiled, Registry, Seen, Texts, read_texts, registry_of
from avtomat.core.program import Program
from avtomat.diagnostics import Diagnostic
from avtomat.errors import StoreError
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.blueprints.standing import Standing
from avtomat.runtime.blueprints.watching import changes_of

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 5.0
FOLDER_AGAIN_S = 0.5
FOLLOW_EVERY_S = 0.5
COMPILED_MAX = 3
"""So often a text is compiled while its outcome says nothing about it, as when the system ends the child."""

Compile = Callable[[Sequence[bytes]], Awaitable[Sequence[Compiled]]]


class Reloader:
    """What one folder offers, and what is wrong with it. At a start, what was replaced, or was retired within
    `hold`, is not offered; a `hold` of nothing offers all.
    """

    def __init__(
        self,
        folder: Path,
        programs: Programs,
        compile_: Compile,
        now_ms: Callable[[], int],
        *,
        hold: timedelta,
        warnings_of: Callable[[Program], Iterable[str]] = lambda _: (),
    ) -> None:
        self._folder = folder
        self._programs = programs
        self._compile = compile_
        self._now_ms = now_ms
        self._hold_ms = round(hold.total_seconds() * 1000)
        self._warnings_of = warnings_of
        self._findings_to: Callable[[Sequence[Diagnostic]], None] | None = None
        self._compiled: Mapping[str, Compiled] = {}
        self._offered: dict[str, str] | None = None
        self._read: Mapping[str, str] | None = None
        self._seen: Mapping[str, Seen] = {}
        self._task: asyncio.Task[None] | None = None
        self._since: Mapping[str, int] = {}
        self._found = Registry()
        self._loading = asyncio.Lock()
        self._not_lasting: Counter[str] = Counter()
        self.held_back: Mapping[str, str] = {}
        """Names with the digest of the folder's version, which was replaced or retired before the start."""

    @property
    def loaded(self) -> bool:
        """Whether anything is current, or the folder was read and has nothing to offer."""
        return bool(self._programs.current) or (self._offered is not None and not self.problems)

    @property
    def is_dead(self) -> bool:
        """Whether the watch has ended although nobody stopped it."""
        return self._task is not None and self._task.done()

    @property
    def problems(self) -> list[tuple[str, int, Diagnostic]]:
        """What is wrong in the folder: the name that it concerns ('' the folder), since when, and the finding."""
        found = [*self._found.errors.items(), ("", self._found.folder_errors)]
        rows = [(name, self._since.get(name, 0), each) for name, errors in found for each in errors]
        return sorted(rows, key=lambda row: row[2].order)

    @property
    def broken(self) -> Collection[str]:
        """Names whose file has errors."""
        return self._found.errors.keys()

    async def load(self) -> bool:
        """Read the folder and offer what is good and new; False when something in it is wrong, and why is in
        `problems` and the log.
        """
        async with self._loading:
            return await self._load()

    async def follow(self) -> None:
        """Follow what the store says is current; a store that is another one than before is offered all again."""
        await self._programs.follow()
        if self._programs.is_elsewhere:
            log.warning("the store does not know any more what is current: the folder is offered as at a start")
            async with self._loading:
                self._compiled, self._offered = {}, None
                await self._load()
            self._programs.settle()

    async def run(self) -> None:
        """Follow, then rest: a duty."""
        await self.follow()
        await asyncio.sleep(FOLLOW_EVERY_S)

    async def _load(self) -> bool:
        texts = await asyncio.to_thread(read_texts, self._folder, self._known())
        await self._programs.follow()
        await self._compile_new(texts)
        digests = texts.digests
        by_file = {file: self._compiled[digest] for file, digest in digests.items()}
        held = self._held()
        await asyncio.sleep(0)  # each of these looks at all files, and jobs go on meanwhile
        found = registry_of(texts, by_file, held)
        await asyncio.sleep(0)
        is_start = self._offered is None
        await self._offer(found)
        if is_start:
            await self._programs.refresh()  # nobody may have asked for them since long, and jobs begin
        self._seen = texts.seen
        self._read = digests if all(each.lasting for each in by_file.values()) else None
        self._forget_texts(found)
        self._note(found)
        return not self.problems

    def tell_findings(self, findings_to: Callable[[Sequence[Diagnostic]], None]) -> None:
        """Call this from now on with what is newly wrong with a file; the log then says only whose file it is."""
        self._findings_to = findings_to

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # --- offering -----------------------------------------------------------------------------------------------------

    async def _compile_new(self, texts: Texts) -> None:
        """Compile the texts that were not there when the folder was read last."""
        lasting = {text: each for text, each in self._compiled.items() if each.lasting}
        known = {**self._current_texts(), **lasting}
        digests = texts.digests
        new = {digests[file]: content for file, content in texts.contents.items() if digests[file] not in known}
        made = dict(zip(new, await self._compile([*new.values()]), strict=True)) if new else {}
        self._not_lasting = Counter(
            {text: self._not_lasting[text] + 1 for text, each in made.items() if not each.lasting}
        )
        known |= {
            text: replace(each, lasting=True) if self._not_lasting[text] >= COMPILED_MAX else each
            for text, each in made.items()
        }
        self._compiled = {digest: known[digest] for digest in digests.values()}

    def _known(self) -> dict[str, Seen]:
        """The files whose text need not be read again as long as they look the same."""
        compiled = self._compiled
        return {
            file: each for file, each in self._seen.items() if each.digest in compiled and compiled[each.digest].lasting
        }

    def _current_texts(self) -> dict[str, Compiled]:
        """Texts from which this very checker made what is current: they are not compiled again at a start."""
        checker, current = checker_identity(), self._programs.current
        return {
            text: Compiled(name=(name, 1, 1), digest=each.digest, runs=_runs_of(current[name]))
            for name, each in self._programs.standing.items()
            if (text := each.source.removeprefix(f"{checker}:")) != each.source
            and name in current
            and current[name].digest == each.digest
        }

    def _forget_texts(self, found: Registry) -> None:
        """Keep no canonical form that the store has."""
        current = self._programs.current
        stored = {
            part.text for name, part in found.parts.items() if name in current and current[name].digest == part.digest
        }
        self._compiled = {
            text: replace(each, canonical=None) if each.canonical is not None and text in stored else each
            for text, each in self._compiled.items()
        }

    def _held(self) -> dict[str, str]:
        """The name that each file stood for last."""
        folder = str(self._folder)
        before = {os.path.join(folder, each.file): name for name, each in self._programs.standing.items()}  # noqa: PTH118 - a tenth of the cost
        return {**before, **self._found.files}

    async def _offer(self, found: Registry) -> None:
        at_start, offered = self._offered is None, self._offered or {}
        names = set(found.files.values())
        new = [name for name, part in found.parts.items() if offered.get(name) != part.text]
        before = self._programs.standing if at_start else self._found.files.values()
        gone = [name for name in before if name not in names | found.missed] if found.is_whole else []
        held: dict[str, str] = {}

        def change(name: str, now: Standing | None) -> Standing | None:
            held.pop(name, None)
            part, now_ms = found.parts.get(name), self._now_ms()
            held_from_ms = now_ms - self._hold_ms
            if part is None:
                is_kept = now is None or now.is_retired or (at_start and now.since_ms > held_from_ms)
                return None if is_kept or now is None else now.retired(now_ms)
            file, source = self._short(part.file), f"{checker_identity()}:{part.text}"
            if now is None:
                return Standing(digest=part.digest, since_ms=now_ms, file=file, source=source)
            if at_start and self._hold_ms and now.holds_back(part.digest, held_from_ms):
                held[name] = part.digest
                return None
            return now.followed_by(part.digest, now_ms, file=file, source=source)

        texts = {part.digest: part.canonical for part in found.parts.values() if part.canonical is not None}
        changed = await self._programs.change([*new, *gone], change, texts)
        self._tell(changed, gone, held)
        self.held_back = {**{name: each for name, each in self.held_back.items() if name not in new}, **held}
        kept = {} if found.is_whole else {name: text for name, text in offered.items() if name not in names}
        self._offered = {**kept, **{name: part.text for name, part in found.parts.items()}}

    def _note(self, found: Registry) -> None:
        """Keep what is wrong, and say what is so since now."""
        before, now_ms = self._found, self._now_ms()
        if not found.is_whole:  # what was there is not gone
            files = {**before.files, **found.files}
            found = Registry(
                parts=found.parts, errors=found.errors, folder_errors=found.folder_errors, files=files, is_whole=False
            )
        wrong = {**found.errors, **({"": found.folder_errors} if found.folder_errors else {})}
        self._since = {name: self._since.get(name, now_ms) for name in wrong}
        self._found = found
        self._programs.never_good = [name for name in found.errors if name not in self._programs.current]
        told = {**before.errors, "": before.folder_errors}
        for name, errors in wrong.items():
            if told.get(name) != errors:
                fate = "cannot be read" if not name else self._fate(name)
                if self._findings_to is None:
                    log.error("%s %s: %s", name or "the folder", fate, summary(errors))
                else:
                    log.error("%s %s", name or "the folder", fate)
                    self._findings_to(errors)

    def _fate(self, name: str) -> str:
        return "has no good version" if name in self._programs.never_good else "keeps its last good version"

    def _tell(self, changed: Iterable[str], gone: Collection[str], held: Mapping[str, str]) -> None:
        current = [name for name in changed if name not in gone]
        if current:
            log.info("current now: %s", _listed(current))
        for name in current:
            for text in self._warnings_of(self._programs.current[name]) if name in self._programs.current else ():
                log.warning("%s", text)
        if retired := [name for name in changed if name in gone]:
            log.info("retired, their files are gone: %s", _listed(retired))
        for name, digest in held.items():
            log.warning(
                "%s: version %s of the folder was replaced or retired and is not taken at a start; what is current "
                "stays. `avtomat blueprints restore %s %s`, or a change of the file, takes it",
                *(name, digest[:12], name, digest[:12]),
            )

    def _short(self, file: str) -> str:
        path = Path(file)
        return str(path.relative_to(self._folder)) if path != self._folder else path.name

    # --- watching -----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Load after each change. Where that fails (the store is away, the folder is not there, or the system has no
        watches left), load from time to time: it must never end.
        """
        again = False
        while True:
            try:
                if again:
                    await self.load()
                async for is_sure in changes_of(self._folder):
                    if is_sure or await self._has_changed():
                        await self.load()
            except StoreError as away:
                log.warning("blueprints are reloaded later: %s", away.message)
            except FileNotFoundError:
                log.warning("the folder %s is not there", self._folder)
                await self._until_there()
                again = True
                continue
            except Exception as failed:  # whatever it is, the next change must be seen
                log.warning("%s cannot be watched; it is read every %.0f s: %r", self._folder, AGAIN_AFTER_S, failed)
            else:
                again = True
                continue  # the folder is another one now
            again = True
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _until_there(self) -> None:
        while not is_there(self._folder):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(FOLDER_AGAIN_S)

    async def _has_changed(self) -> bool:
        """Whether the folder holds something else than when it was read last."""
        return self._read != (await asyncio.to_thread(read_texts, self._folder, self._known())).digests


def _runs_of(program: Program) -> tuple[Run, ...]:
    """What a program runs whose text was not read again; its places are not known."""
    always = always_runs(program) if program.runs else ()
    return tuple((name, 1, 1, name in always) for name in sorted(program.runs))


def counts_of(reloader: Reloader, programs: Programs) -> Counter[str]:
    """Blueprints by how they stand: current, broken (among them never_good), held_back, missing, retired."""
    return Counter(
        current=len(programs.current),
        broken=len(reloader.broken),
        never_good=len(programs.never_good),
        held_back=len(reloader.held_back),
        missing=len(programs.missing),
        retired=sum(each.is_retired for each in programs.standing.values()),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(sorted(names)[:20]) + more


def summary(problems: Sequence[Diagnostic]) -> str:
    """The findings about a blueprint, one a line."""
    lines = [f"{each.file}:{each.line}:{each.column}: {each.code}: {each.message}" for each in problems[:20]]
    return "\n  ".join([f"{len(problems)} finding{'s' * (len(problems) != 1)}", *lines])
