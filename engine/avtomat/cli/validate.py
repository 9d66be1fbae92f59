"""`avtomat validate`: check blueprints, their tests and settings, without a network, an engine or a store.

Findings go to stdout, the summary to stderr. The exit code is 0 when nothing refuses a file, 1 when something does.
Files that did not change since the last run are not checked again.
"""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from avtomat.blueprint.cache import FindingsCache, Remembered, user_cache_folder
from avtomat.blueprint.files import (
    find_blueprints,
    find_tests,
    is_access_file,
    is_folder,
    is_test,
    is_there,
    read_file,
)
from avtomat.cli import frames
from avtomat.cli.declared import Declared, check_settings, needs_of
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from avtomat.blueprint.compiler import Examined
    from avtomat.blueprint.families import Run
    from avtomat.core.program import Program

STDIN = Path("-")
TOML: Final = ".toml"
_UNNAMED: Final = Path("<stdin>")
STDIN_BYTES_MAX = 1_000_001
FORMS = ("text", "json", "github", "sarif")

Name = tuple[str, str, int, int]
"""A blueprint's name, and the file, line and column where it stands."""

Checked = tuple[Path, Remembered]
"""A file and what was found in it."""


def add_arguments(parser: ArgumentParser) -> None:
    """What to check, and how to tell."""
    parser.add_argument(
        "path",
        nargs="*",
        type=Path,
        help="a blueprint, a file of tests, avtomat.toml, clients.toml, workers.toml, a folder, or - for stdin "
        "(default: the project's blueprints, clients and workers)",
    )
    parser.add_argument("-o", "--output", choices=FORMS, default="text", help="form of the findings (default: text)")
    parser.add_argument("--strict", action="store_true", help="warnings count as errors for the exit code")
    parser.add_argument("-q", "--quiet", action="store_true", help="print what makes the exit code 1, and nothing else")
    parser.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="where secrets, constants and hosts are declared; blueprints that name others get warnings (default: the "
        "nearest avtomat.toml in their folder or above)",
    )
    parser.add_argument("--no-cache", action="store_true", help="check all files, also those that did not change")
    parser.add_argument(
        "--stdin-filename", metavar="FILE", type=Path, help="what stdin is: findings name it (default: <stdin>)"
    )


def run(args: Namespace) -> int:
    """Check, tell, and return the exit code."""
    paths = args.path or _files_of_the_project()
    for path in paths:
        if path != STDIN and not is_there(path):
            raise NotFoundError(f"there is no file or folder {path}")
    if args.stdin_filename is not None and STDIN not in paths:
        raise UsageError("--stdin-filename says what stdin is; give - as the path, too")
    if args.settings is not None and not is_there(args.settings):
        raise NotFoundError(f"there is no file {args.settings}")
    findings_cache = FindingsCache(None if args.no_cache else user_cache_folder())
    stdin = _Stdin(args.stdin_filename or _UNNAMED, _read_stdin()) if STDIN in paths else None
    gc.disable()  # one pass that keeps what it makes: collecting in between costs a third of the time
    diagnostics, files = check([path for path in paths if path != STDIN], findings_cache, stdin, args.settings)
    if not files:
        where = ", ".join(map(str, paths))
        raise NotFoundError(f"there is no blueprint in {where}: their names end in .yaml or .yml")
    gc.freeze()  # the process ends soon, and so does all that was made: no need to look through it at the end
    gc.enable()
    findings_cache.save()
    refusing = {Severity.ERROR, Severity.WARNING} if args.strict else {Severity.ERROR}
    shown = [each for each in diagnostics if each.severity in refusing or not args.quiet]
    _tell(shown, stdin, files, args)
    if not args.quiet and args.output in {"text", "github"}:
        print(frames.summary(diagnostics, files), file=sys.stderr)
    return 1 if any(each.severity in refusing for each in diagnostics) else 0


class _Stdin(NamedTuple):
    """What came on stdin, and the name that it is checked under."""

    name: Path
    content: bytes


def check(
    paths: Sequence[Path],
    findings_cache: FindingsCache,
    stdin: _Stdin | None = None,
    settings: Path | None = None,
) -> tuple[list[Diagnostic], int]:
    """Check all files at these paths, each as what it is; return what was found, sorted, and the number of files.

    `settings` is the file that declares secrets and constants; without it each blueprint has that of its project.
    """
    diagnostics: list[Diagnostic] = []
    names: list[Name] = []
    members: dict[str, Checked] = {}
    declared = Declared(settings)
    files = 0
    for file, content in _blueprints(paths, stdin):
        files += 1
        if isinstance(content, Diagnostic):
            diagnostics.append(content)
            continue
        known = findings_cache.get(content)
        if known is None:
            known = _examine(content)
            findings_cache.put(content, known)
        diagnostics += [replace(each, file=str(file)) for each in known.diagnostics]
        diagnostics += declared.missing(file, known.needs)
        if known.name is not None:
            names.append((known.name[0], str(file), known.name[1], known.name[2]))
            members[known.name[0]] = file, known
    diagnostics += _duplicates(names)
    diagnostics += _between(members, findings_cache)
    for file, content in _tests(paths, stdin):
        files += 1
        if isinstance(content, Diagnostic):
            diagnostics.append(content)
        else:
            diagnostics += _findings_of_tests(file, content, findings_cache)
    for file, text in _settings(paths, stdin):
        files += 1
        diagnostics += _findings_of_access(file) if is_access_file(file.name) else check_settings(file, text)[1]
    diagnostics += declared.diagnostics
    return sorted(set(diagnostics), key=lambda each: each.order), files


def _files_of_the_project() -> list[Path]:
    """Its blueprints, and the files of clients and workers where it has them."""
    import os

    from avtomat.settings_loader import load_settings

    settings = load_settings(environ=os.environ).settings
    beside = [each for each in (settings.clients, settings.workers) if each is not None and is_access_file(each.name)]
    return [settings.blueprints, *beside]


def _read_stdin() -> bytes:
    return sys.stdin.buffer.read(STDIN_BYTES_MAX)


Found = tuple[Path, bytes | Diagnostic]
"""A file with what stands in it, or why it cannot be read."""


def _blueprints(paths: Sequence[Path], stdin: _Stdin | None) -> Iterator[Found]:
    is_one = stdin is not None and not is_test(stdin.name.name) and stdin.name.suffix != TOML
    yield from map(_read, find_blueprints(path for path in paths if not is_test(path.name) and path.suffix != TOML))
    yield from [stdin] if stdin is not None and is_one else []


def _tests(paths: Sequence[Path], stdin: _Stdin | None) -> Iterator[Found]:
    yield from map(_read, find_tests(path for path in paths if is_folder(path) or is_test(path.name)))
    yield from [stdin] if stdin is not None and is_test(stdin.name.name) else []


def _settings(paths: Sequence[Path], stdin: _Stdin | None) -> Iterator[tuple[Path, bytes | None]]:
    """Files of settings; those without content are read by whoever reads settings."""
    yield from ((path, None) for path in paths if path.suffix == TOML)
    yield from [stdin] if stdin is not None and stdin.name.suffix == TOML else []


def _read(found: Path | Diagnostic) -> Found:
    return (Path(found.file), found) if isinstance(found, Diagnostic) else (found, read_file(found))


def _examine(content: bytes) -> Remembered:
    """What the checker says of a text, and, when it is good, what its program needs of the settings."""
    from avtomat.blueprint.compiler import examine_text  # not needed while nothing has changed
    from avtomat.blueprint.findings.finding import Finding

    examined = examine_text(content)
    name = examined.name
    program = examined.built() if examined.is_good else None
    found = (*examined.findings, program) if isinstance(program, Finding) else examined.findings
    return Remembered(
        diagnostics=tuple(finding.in_file("") for finding in found),
        name=None if name is None else (name.text, name.span.line, name.span.column),
        needs=() if program is None or isinstance(program, Finding) else tuple(needs_of(program, content)),
        runs=() if program is None or isinstance(program, Finding) else _runs_of(examined, program),
    )


def _runs_of(examined: Examined, program: Program) -> tuple[Run, ...]:
    """What a good blueprint runs."""
    if not program.runs or examined.blueprint is None:
        return ()
    from avtomat.blueprint.families import runs_of

    return runs_of(examined.blueprint, program)


def _between(checked: Mapping[str, Checked], findings_cache: FindingsCache) -> list[Diagnostic]:
    """What is wrong between blueprints that run one another. What one runs may stand beside it, and not be checked."""
    if not any(known.runs for _, known in checked.values()):
        return []
    from avtomat.blueprint.families import Member, findings

    beside = dict(checked)
    for folder in {file.parent for file, known in checked.values() if known.runs and file != _UNNAMED}:
        for file, content in map(_read, find_blueprints([folder])):
            if not isinstance(content, Diagnostic):
                known = findings_cache.get(content) or _examine(content)
                findings_cache.put(content, known)
                if known.name is not None:
                    beside.setdefault(known.name[0], (file, known))
    members = {name: Member(file=str(file), runs=known.runs) for name, (file, known) in beside.items()}
    if any(file == _UNNAMED for file, _ in checked.values()):
        return []  # nobody knows what stands beside it
    return [found for name, found in findings(members, beside) if name in checked]


def _findings_of_tests(file: Path, content: bytes, findings_cache: FindingsCache) -> list[Diagnostic]:
    """What is wrong with a file of tests, by itself and beside its blueprint. What was found is true as long as both
    have the same contents.
    """
    from avtomat.rehearsal.checking import beside, check_tests

    key = b"\0".join((content, beside(file, content)))
    known = findings_cache.get(key)
    if known is None:
        found = tuple(replace(each, file="") for each in check_tests(file, content))
        known = Remembered(diagnostics=found, name=None)
        findings_cache.put(key, known)
    return [replace(each, file=str(file)) for each in known.diagnostics]


def _findings_of_access(file: Path) -> list[Diagnostic]:
    """What is wrong with a file of clients or workers. Where tokens are kept elsewhere nobody looks."""
    from avtomat.access.checking import findings_of

    content = read_file(file)
    if isinstance(content, Diagnostic):
        return [content]
    return [finding.in_file(str(file)) for finding in findings_of(file.name, content)]


def _duplicates(names: Sequence[Name]) -> Iterator[Diagnostic]:
    if len({name for name, *_place in names}) == len(names):
        return
    from avtomat.blueprint.registry import Named, duplicate_names

    every = (Named(name=name, file=file, line=line, column=column) for name, file, line, column in names)
    yield from duplicate_names(every)


def _tell(shown: Sequence[Diagnostic], stdin: _Stdin | None, files: int, args: Namespace) -> None:
    match args.output:
        case "json":
            print(frames.as_json(shown, files))
            return
        case "sarif":
            from avtomat.cli.sarif import as_sarif

            print(as_sarif(shown))
            return
        case "github":
            lines = [*frames.as_github(shown)]
        case _:
            sources = frames.sources_of(each for each in shown if stdin is None or each.file != str(stdin.name))
            if stdin is not None:
                sources[str(stdin.name)] = frames.source_text(stdin.content)
            lines = [*frames.as_text(shown, sources, colour=frames.wants_colour(sys.stdout))]
    if lines:
        print(("\n\n" if args.output == "text" else "\n").join(lines))
