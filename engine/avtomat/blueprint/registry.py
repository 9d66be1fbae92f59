"""What a folder of blueprints holds at one moment: each file for itself, the good ones by name, and what is wrong.

Every blueprint stands for itself: a file with errors concerns the name that it stands for and no other.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from avtomat.blueprint.families import Member, Run, findings, held_back
from avtomat.blueprint.files import SUFFIXES, find_blueprints, is_folder, read_file
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.diagnostics import Diagnostic, Severity

CHANGED_AGAIN_NS: Final = 2_000_000_000
"""Two changes within this span may have the same time in the file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What came of one text: its program's digest and canonical form if it is good, its name with line and column if
    that can be read, what was found, and what it runs. The canonical form is None too where the store has it. What is
    not `lasting` has nothing to do with the text, and may come out otherwise the next time.
    """

    name: tuple[str, int, int] | None = None
    digest: str | None = None
    canonical: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    lasting: bool = True
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a file looked when its text had this digest. `mark` is None for one that was changed so shortly before that
    another change might leave no trace.
    """

    mark: tuple[int, ...] | None
    digest: str


NOTHING_KNOWN: Final[Mapping[str, Seen]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What was read of a folder: how each file looked, the texts of those that were not known, findings about what
    could not be read, and whether the folder itself could, and holds something.
    """

    seen: Mapping[str, Seen]
    contents: Mapping[str, bytes]
    unreadable: tuple[Diagnostic, ...]
    is_whole: bool

    @property
    def digests(self) -> dict[str, str]:
        """Of the text of each file."""
        return {file: each.digest for file, each in self.seen.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A blueprint that is good: its file, the digest of its text, and its program."""

    file: str
    text: str
    digest: str
    canonical: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A folder by the names of its blueprints. `errors` has what is wrong with those that are not good; `files` the
    name that each file stands for; `folder_errors` why the folder could not be read. `missed` are names that a
    blueprint runs and that have no file: they stay as they are.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)
    errors: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    folder_errors: tuple[Diagnostic, ...] = ()
    is_whole: bool = True
    missed: frozenset[str] = frozenset()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All findings, by place."""
        found = [*self.warnings, *self.folder_errors, *(each for errors in self.errors.values() for each in errors)]
        return tuple(sorted(found, key=lambda each: each.order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Where a blueprint's name is written."""

    name: str
    file: str
    line: int
    column: int


def read_texts(folder: Path, known: Mapping[str, Seen] = NOTHING_KNOWN) -> Texts:
    """Read all files of a folder, or a file alone; those that look as they are `known` are not read again."""
    seen: dict[str, Seen] = {}
    contents: dict[str, bytes] = {}
    unreadable: list[Diagnostic] = []
    for found in find_blueprints([folder]):
        if isinstance(found, Diagnostic):
            unreadable.append(found)
            continue
        file = str(found)
        before, mark = known.get(file), _mark_of(file)  # before it is read: a change meanwhile looks like another file
        if before is not None and before.mark is not None and before.mark == mark:
            seen[file] = before
            continue
        content = read_file(found)
        if isinstance(content, Diagnostic):
            unreadable.append(content)
            continue
        seen[file] = Seen(mark=mark, digest=sha256(content).hexdigest())
        contents[file] = content
    whole_folder = is_folder(folder) and all(each.file.endswith(SUFFIXES) for each in unreadable)
    return Texts(seen=seen, contents=contents, unreadable=tuple(unreadable), is_whole=whole_folder and bool(seen))


def _mark_of(file: str) -> tuple[int, ...] | None:
    """What changes with the file's content, unless it changed within CHANGED_AGAIN_NS."""
    try:
        found = os.stat(file)  # noqa: PTH116 - half of what Path takes, for each file
    except OSError:
        return None
    changed_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    if changed_ns > time.time_ns() - CHANGED_AGAIN_NS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def registry_of(texts: Texts, compiled: Mapping[str, Compiled], held: Mapping[str, str]) -> Registry:
    """Put together what came of the texts. A file without a name to be read stands for the one it `held` last, else for
    its stem; of two files with one name neither is good.
    """
    names = {file: name for file, each in compiled.items() for name in _named(each, file)}
    digests = texts.digests
    twice = {name for name, count in Counter(each.name for each in names.values()).items() if count > 1}
    found: dict[str, list[Diagnostic]] = {file: _in_file(each, file) for file, each in compiled.items()}
    unreadable = [each for each in texts.unreadable if each.file.endswith(SUFFIXES)]
    for problem in (*unreadable, *duplicate_names(names.values())):
        found.setdefault(problem.file, []).append(problem)
    files = {file: names[file].name if file in names else held.get(file, Path(file).stem) for file in found}
    parts: dict[str, Part] = {}
    errors: dict[str, tuple[Diagnostic, ...]] = {}
    for file, name in files.items():
        each = compiled.get(file, Compiled())
        if each.digest is not None and name not in twice:
            parts[name] = Part(file=file, text=digests[file], digest=each.digest, canonical=each.canonical)
        elif wrong := tuple(problem for problem in found[file] if problem.severity is Severity.ERROR):
            errors[name] = (*errors.get(name, ()), *wrong)
    known = set(files.values())
    members = {name: Member(file=part.file, runs=compiled[part.file].runs) for name, part in parts.items()}
    between = [*findings(members, known)]
    between += held_back(members, {*errors, *(name for name, _ in between)})
    for name, problem in between:
        errors[name] = (*errors.get(name, ()), problem)
        parts.pop(name, None)
    warnings = [each for some in found.values() for each in some if each.severity is not Severity.ERROR]
    return Registry(
        parts=parts,
        errors=errors,
        warnings=tuple(warnings),
        files=files,
        folder_errors=tuple(each for each in texts.unreadable if each not in unreadable),
        is_whole=texts.is_whole,
        missed=frozenset(run[0] for each in compiled.values() for run in each.runs) - known,
    )


def _named(compiled: Compiled, file: str) -> Iterator[Named]:
    if compiled.name is not None:
        name, line, column = compiled.name
        yield Named(name=name, file=file, line=line, column=column)


def _in_file(compiled: Compiled, file: str) -> list[Diagnostic]:
    return [replace(each, file=file) for each in compiled.diagnostics]


def duplicate_names(names: Iterable[Named]) -> Iterator[Diagnostic]:
    """Findings about names that stand in more than one file, at each but the first."""
    first: dict[str, Named] = {}
    for each in sorted(names, key=lambda named: named.file):
        other = first.setdefault(each.name, each)
        if other is not each:
            yield Diagnostic(
                code=codes.DUPLICATE_BLUEPRINT.number,
                severity=codes.DUPLICATE_BLUEPRINT.severity,
                message=f"there is another blueprint `{each.name}` in {other.file}, line {other.line}",
                file=each.file,
                line=each.line,
                column=each.column,
                hint="give one of them another name",
            )
