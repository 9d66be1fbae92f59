"""Keep in force what clients.toml and workers.toml say, and follow their changes without a restart.

The files, and the files of tokens that they refer to, are looked at by their size and time: they may lie anywhere, and
beside much that changes all the time. One that was just written is read once it looks the same twice, so that half a
file counts as little as can be. A wrong file is refused and what was in force stays. An empty one is wrong: it would
shut out everybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from avtomat.access.clients_file import read_clients
from avtomat.access.fields import Reading
from avtomat.access.model import Access, Digest
from avtomat.access.tokens import by_digest, referred_files
from avtomat.access.workers_file import read_workers
from avtomat.blueprint.findings.codes_access import NOT_TOML
from avtomat.blueprint.yaml.nodes import Span
from avtomat.diagnostics import Diagnostic, Severity

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.25

T = TypeVar("T")
Stamp = tuple[int, int, int] | None
Changed = Callable[[Collection[Digest]], None]
"""Is told the tokens that are gone, or mean something else now."""


class AccessKeeper:
    """Who may do what now. `clients` and `workers` are the files; None: there is none."""

    def __init__(self, clients: Path | None, workers: Path | None, *, environ: Mapping[str, str]) -> None:
        self._clients = None if clients is None else _Followed(clients, read_clients, environ)
        self._workers = None if workers is None else _Followed(workers, read_workers, environ)
        self._files = [file for file in (self._clients, self._workers) if file is not None]
        self._listeners: list[Changed] = []
        self.current = Access()

    @property
    def has_clients(self) -> bool:
        """Whether tokens of clients come from a file."""
        return self._clients is not None

    @property
    def has_workers(self) -> bool:
        """Whether tokens of workers come from a file."""
        return self._workers is not None

    @property
    def has_files(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self._files)

    @property
    def refused(self) -> list[str]:
        """The files that are not in force as they are."""
        return [str(file.path) for file in self._files if file.is_refused]

    @property
    def is_whole(self) -> bool:
        """Whether each file has been in force once."""
        return all(file.was_good for file in self._files)

    @property
    def findings(self) -> list[Diagnostic]:
        """What is wrong with the files."""
        return [finding for file in self._files for finding in file.findings]

    def listen(self, changed: Changed) -> None:
        """Call this from now on after each change."""
        self._listeners.append(changed)

    async def run(self) -> None:
        """Rest, then look whether something changed: a duty."""
        await asyncio.sleep(LOOK_EVERY_S)
        changed = [await file.has_changed() for file in self._files]
        if any(changed):
            await self.load()

    async def load(self) -> None:
        """Read the files now. What is wrong with them is in `findings` and the log."""
        for file in self._files:
            await file.load()
        before, clients, workers = self.current, self._clients, self._workers
        named = {} if clients is None else clients.by_name
        self.current = Access(
            clients={} if clients is None else clients.by_token,
            workers={} if workers is None else workers.by_token,
            quotas={name: client.quota for name, client in named.items() if client.quota is not None},
            weights={name: client.weight for name, client in named.items() if client.weight != 1},
        )
        changed = list(self.current.changed_since(before))
        for listener in self._listeners:
            listener(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look(Generic[T]):
    """What a file said when it was read; `by_token` None: it is refused."""

    by_token: Mapping[Digest, T] | None = None
    by_name: Mapping[str, T] = field(default_factory=dict)
    findings: tuple[Diagnostic, ...] = ()
    stamps: Mapping[Path, Stamp]


class _Followed(Generic[T]):
    """One file: what of it is in force, and what is wrong with it now."""

    def __init__(self, path: Path, read: Callable[[bytes], Reading[T]], environ: Mapping[str, str]) -> None:
        self.path = path
        self.by_token: Mapping[Digest, T] = {}
        self.by_name: Mapping[str, T] = {}
        self.findings: tuple[Diagnostic, ...] = ()
        self.was_good = False
        self._read = read
        self._environ = environ
        self._stamps: Mapping[Path, Stamp] = {}
        self._seen: Mapping[Path, Stamp] = {}

    @property
    def is_refused(self) -> bool:
        """Whether what is in force is not what the file says."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    async def has_changed(self) -> bool:
        """Whether the file, or one that it refers to, is another one than was read, and has been so for two looks."""
        seen, self._seen = self._seen, await asyncio.to_thread(_stamps_of, self._stamps)
        return self._seen == seen != self._stamps

    async def load(self) -> None:
        """Read the file, and bring in force what it says unless it is refused."""
        self._take(await asyncio.to_thread(self._look))

    def _look(self) -> _Look[T]:
        """Read the file. A change while it is read is seen afterwards: times are noted before."""
        stamps = _stamps_of({self.path, *self._stamps})
        try:
            content = self.path.read_bytes()
        except OSError as error:
            return self._refused(f"the file cannot be read: {error.strerror or error}", stamps)
        if not content.strip():
            return self._refused("the file is empty", stamps)
        document, findings = self._read(content)
        by_token: dict[Digest, T] | None = None
        if document is not None:
            by_token, missing = by_digest(document, folder=self.path.parent, environ=self._environ)
            findings = [*findings, *missing]
            by_token = None if missing else by_token
            files = {self.path, *referred_files(document.tokens, self.path.parent)}
            stamps = {file: stamps[file] if file in stamps else _stamp(file) for file in files}
        return _Look(
            by_token=by_token,
            by_name={} if document is None else document.entries,
            findings=tuple(finding.in_file(str(self.path)) for finding in findings),
            stamps=stamps,
        )

    def _take(self, look: _Look[T]) -> None:
        self._stamps = self._seen = look.stamps
        told, self.findings = self.findings, look.findings
        if look.by_token is not None:
            if look.by_token != self.by_token or self.is_refused or not self.was_good:
                log.info("%s is in force: %d tokens", self.path, len(look.by_token))
            self.by_token, self.by_name, self.was_good = look.by_token, look.by_name, True
        elif look.findings != told:
            fate = "what was in force stays" if self.was_good else "nobody gets in by it"
            lines = "\n  ".join(
                f"{each.file}:{each.line}:{each.column}: {each.code}: {each.message}" for each in look.findings
            )
            log.error("%s is refused, %s:\n  %s", self.path, fate, lines)

    def _refused(self, why: str, stamps: Mapping[Path, Stamp]) -> _Look[T]:
        finding = NOT_TOML.at(Span(line=1, column=1), why).in_file(str(self.path))
        return _Look(findings=(finding,), stamps=stamps)


def _stamps_of(files: Iterable[Path]) -> dict[Path, Stamp]:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp:
    """What tells one content of a file from another; None: there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
