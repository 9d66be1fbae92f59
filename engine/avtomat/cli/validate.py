"""`avtomat validate`: check blueprints, their tests and settings, without a network, an engine or a store.

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
from avtomat.blueprint.files import find_blueprints, find_tests, is_access_file, is_test, is_there, read_file
from avtomat.cli import frames
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.errors import NotFoundError, UsageError

STDIN = Path("-")
STDIN_BYTES_MAX = 1_000_001
FORMS = ("text", "json", "github", "sarif")

Name = tuple[str, str, int, int]
"""A blueprint's name, and the file, line and column where it stands."""


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
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only, and no summary")
    parser.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="also warn of secrets and constants that blueprints name and this file does not declare",
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
    findings_cache = FindingsCache(None if args.no_cache else user_cache_folder())
    gc.disable()  # one pass that keeps what it makes: collecting in between costs a third of the time
    diagnostics, files = check(paths, findings_cache, args.stdin_filename or Path("<stdin>"))
    if not files:
        where = ", ".join(map(str, paths))
        raise NotFoundError(f"there is no blueprint in {where}: their names end in .yaml or .yml")
    if args.settings is not None:
        diagnostics = sorted({*diagnostics, *_undeclared(paths, args.settings)}, key=lambda each: each.order)
    gc.freeze()  # the process ends soon, and so does all that was made: no need to look through it at the end
    gc.enable()
    findings_cache.save()
    _tell(diagnostics, files, args)
    refusing = {Severity.ERROR, Severity.WARNING} if args.strict else {Severity.ERROR}
    return 1 if any(each.severity in refusing for each in diagnostics) else 0


def check(
    paths: Sequence[Path], findings_cache: FindingsCache, stdin_name: Path = STDIN
) -> tuple[list[Diagnostic], int]:
    """Check all files at these paths; return what was found, sorted, and the number of files."""
    diagnostics: list[Diagnostic] = []
    names: list[Name] = []
    files = 0
    for found, content in _contents(paths, stdin_name):
        files += 1
        if isinstance(content, Diagnostic):
            diagnostics.append(content)
            continue
        known = findings_cache.get(content)
        if known is None:
            known = _examine(content)
            findings_cache.put(content, known)
        diagnostics += [replace(each, file=found) for each in known.diagnostics]
        names += [] if known.name is None else [(known.name[0], found, known.name[1], known.name[2])]
    diagnostics += _duplicates(names)
    for file in find_tests(path for path in paths if path.is_dir() or is_test(path.name)):
        files += 1
        diagnostics += [file] if isinstance(file, Diagnostic) else _findings_of_tests(file, findings_cache)
    for path in paths:
        if path.suffix == ".toml":
            found_in_toml = _findings_of_access(path) if is_access_file(path.name) else _findings_of_settings(path)
            files += 1
            diagnostics += found_in_toml
    return sorted(set(diagnostics), key=lambda each: each.order), files


def _files_of_the_project() -> list[Path]:
    """Its blueprints, and the files of clients and workers where it has them."""
    import os

    from avtomat.settings_loader import load_settings

    settings = load_settings(environ=os.environ).settings
    beside = [each for each in (settings.clients, settings.workers) if each is not None and is_access_file(each.name)]
    return [settings.blueprints, *beside]


def _contents(paths: Sequence[Path], stdin_name: Path) -> Iterator[tuple[str, bytes | Diagnostic]]:
    """The blueprints, each with the name that findings give it."""
    for found in find_blueprints(path for path in paths if not is_test(path.name) and path.suffix != ".toml"):
        if isinstance(found, Diagnostic):
            yield found.file, found
        elif found == STDIN:
            yield str(stdin_name), sys.stdin.buffer.read(STDIN_BYTES_MAX)
        else:
            yield str(found), read_file(found)


def _examine(content: bytes) -> Remembered:
    from avtomat.blueprint.compiler import examine_text  # not needed while nothing has changed

    examined = examine_text(content)
    name = examined.name
    return Remembered(
        diagnostics=tuple(finding.in_file("") for finding in examined.findings),
        name=None if name is None else (name.text, name.span.line, name.span.column),
    )


def _findings_of_tests(file: Path, findings_cache: FindingsCache) -> list[Diagnostic]:
    """What is wrong with a file of tests, by itself and beside its blueprint. What was found is true as long as both
    have the same contents.
    """
    from avtomat.rehearsal.checking import beside, check_tests

    content = read_file(file)
    if isinstance(content, Diagnostic):
        return [content]
    key = b"\0".join((content, beside(file, content)))
    known = findings_cache.get(key)
    if known is None:
        known = Remembered(diagnostics=tuple(replace(each, file="") for each in check_tests(file)), name=None)
        findings_cache.put(key, known)
    return [replace(each, file=str(file)) for each in known.diagnostics]


def _findings_of_settings(file: Path) -> list[Diagnostic]:
    """What is wrong with a file of settings; its findings have no lines of their own."""
    from avtomat.errors import SettingsError
    from avtomat.settings_loader import load_settings

    def finding(text: str, severity: Severity) -> Diagnostic:
        message = text.removeprefix(f"{file}: ")
        return Diagnostic(code="settings", severity=severity, message=message, file=str(file), line=1, column=1)

    try:
        loaded = load_settings(environ={}, file=file)
    except SettingsError as wrong:
        return [finding(line, Severity.ERROR) for line in wrong.message.splitlines()]
    return [finding(warning, Severity.WARNING) for warning in loaded.warnings]


def _findings_of_access(file: Path) -> list[Diagnostic]:
    """What is wrong with a file of clients or workers. Where tokens are kept elsewhere nobody looks."""
    from avtomat.access.checking import findings_of

    content = read_file(file)
    if isinstance(content, Diagnostic):
        return [content]
    return [finding.in_file(str(file)) for finding in findings_of(file.name, content)]


def _undeclared(paths: Sequence[Path], file: Path) -> Iterator[Diagnostic]:
    """Warnings about what the blueprints name and the settings do not have."""
    from avtomat.blueprint.compiler import examine_text
    from avtomat.runtime.blueprints.undeclared import undeclared
    from avtomat.settings_loader import load_settings

    if not file.is_file():
        raise NotFoundError(f"there is no file {file}")
    settings = load_settings(environ={}, file=file).settings
    for name, content in _contents([path for path in paths if path != STDIN], STDIN):
        examined = examine_text(content) if isinstance(content, bytes) else None
        if examined is not None and examined.is_good:
            for text in undeclared(examined.program(), settings.secrets, settings.config):
                yield Diagnostic(code="settings", severity=Severity.WARNING, message=text, file=name, line=1, column=1)


def _duplicates(names: Sequence[Name]) -> Iterator[Diagnostic]:
    if len({name for name, *_place in names}) == len(names):
        return
    from avtomat.blueprint.registry import Named, duplicate_names

    every = (Named(name=name, file=file, line=line, column=column) for name, file, line, column in names)
    yield from duplicate_names(every)


def _tell(diagnostics: Sequence[Diagnostic], files: int, args: Namespace) -> None:
    shown = [each for each in diagnostics if each.severity is Severity.ERROR or not args.quiet]
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
            lines = [*frames.as_text(shown, frames.sources_of(shown), colour=frames.wants_colour(sys.stdout))]
    if lines:
        print(("\n\n" if args.output == "text" else "\n").join(lines))
    if not args.quiet:
        print(frames.summary(diagnostics, files), file=sys.stderr)
