"""`avtomat validate`: check blueprints without a network, an engine or a store.

Findings go to stdout, the summary to stderr. The exit code is 0 when nothing refuses a file, 1 when something does.
Files that did not change since the last run are not checked again.
"""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from avtomat.blueprint.cache import FindingsCache, Remembered, user_cache_folder
from avtomat.blueprint.files import find_blueprints, read_file
from avtomat.cli import frames
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.errors import NotFoundError

Name = tuple[str, str, int, int]
"""A blueprint's name, and the file, line and column where it stands."""


def add_arguments(parser: ArgumentParser) -> None:
    """What to check, and how to tell."""
    parser.add_argument("path", nargs="+", type=Path, help="a blueprint, or a folder of blueprints")
    parser.add_argument("-o", "--output", choices=("text", "json", "github"), default="text", help="default: text")
    parser.add_argument("--no-cache", action="store_true", help="check all files, also those that did not change")


def run(args: Namespace) -> int:
    """Check, tell, and return the exit code."""
    for path in args.path:
        if not path.exists():
            raise NotFoundError(f"there is no file or folder {path}")
    findings_cache = FindingsCache(None if args.no_cache else user_cache_folder())
    gc.disable()  # one pass that keeps what it makes: collecting in between costs a third of the time
    diagnostics, files = check(args.path, findings_cache)
    if not files:
        where = ", ".join(map(str, args.path))
        raise NotFoundError(f"there is no blueprint in {where}: their names end in .yaml or .yml")
    gc.freeze()  # the process ends soon, and so does all that was made: no need to look through it at the end
    gc.enable()
    findings_cache.save()
    _tell(diagnostics, files, args.output)
    return 1 if any(each.severity is Severity.ERROR for each in diagnostics) else 0


def check(paths: Sequence[Path], findings_cache: FindingsCache) -> tuple[list[Diagnostic], int]:
    """Check all blueprints at these paths; return what was found, sorted, and the number of files."""
    diagnostics: list[Diagnostic] = []
    names: list[Name] = []
    files = 0
    for found in find_blueprints(paths):
        files += 1
        content = found if isinstance(found, Diagnostic) else read_file(found)
        if isinstance(content, Diagnostic):
            diagnostics.append(content)
            continue
        known = findings_cache.get(content)
        if known is None:
            known = _examine(content)
            findings_cache.put(content, known)
        diagnostics += [replace(each, file=str(found)) for each in known.diagnostics]
        names += [] if known.name is None else [(known.name[0], str(found), known.name[1], known.name[2])]
    diagnostics += _duplicates(names)
    return sorted(diagnostics, key=lambda each: each.order), files


def _examine(content: bytes) -> Remembered:
    from avtomat.blueprint.compiler import examine_text  # not needed while nothing has changed

    examined = examine_text(content)
    name = examined.name
    return Remembered(
        diagnostics=tuple(finding.in_file("") for finding in examined.findings),
        name=None if name is None else (name.text, name.span.line, name.span.column),
    )


def _duplicates(names: Sequence[Name]) -> Iterator[Diagnostic]:
    if len({name for name, *_place in names}) == len(names):
        return
    from avtomat.blueprint.registry import Named, duplicate_names

    every = (Named(name=name, file=file, line=line, column=column) for name, file, line, column in names)
    yield from duplicate_names(every)


def _tell(diagnostics: Sequence[Diagnostic], files: int, output: str) -> None:
    if output == "json":
        print(frames.as_json(diagnostics, files))
        return
    if output == "github":
        lines = [*frames.as_github(diagnostics)]
    else:
        lines = [*frames.as_text(diagnostics, frames.sources_of(diagnostics), colour=frames.wants_colour(sys.stdout))]
    if lines:
        print(("\n\n" if output == "text" else "\n").join(lines))
    print(frames.summary(diagnostics, files), file=sys.stderr)
