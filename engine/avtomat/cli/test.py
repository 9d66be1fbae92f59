"""`avtomat test`: run the tests of blueprints, without a network, an engine or a store.

Results go to stdout, findings about the files themselves and the summary to stderr. Exit codes: 0 all good, 1 a case
failed, a file was refused or coverage is too low, 3 there are no tests.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from avtomat.blueprint.files import SUFFIXES, find_blueprints, find_tests, is_file, is_folder, is_test, is_there
from avtomat.cli import frames, test_reports
from avtomat.cli.setting_flags import add_setting_flags, settings_of
from avtomat.diagnostics import Diagnostic
from avtomat.errors import NotFoundError
from avtomat.rehearsal.coverage import Coverage, per_cent, together
from avtomat.rehearsal.runner import FileReport, run_file, untested

EXIT_FAILED: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Which tests to run, and how to tell."""
    parser.add_argument(
        "path",
        nargs="*",
        type=Path,
        help="a file of tests (name.test.yaml), the blueprint that it is about, or a folder; default: the blueprints",
    )
    parser.add_argument("-o", "--output", choices=("text", "json", "junit", "github"), default="text")
    parser.add_argument("-k", dest="name", metavar="NAME", default="", help="only cases with NAME in their names")
    parser.add_argument("--coverage", action="store_true", help="show which parts of the blueprints no case exercises")
    parser.add_argument(
        "--coverage-min", type=_per_cent, metavar="N", help="fail when less than N per cent of them are exercised"
    )
    add_setting_flags(parser, "blueprints")


def run(args: Namespace) -> int:
    """Run the tests, tell, and return the exit code."""
    paths = args.path or [settings_of(args).blueprints]
    files = [*_files(paths)]
    if not files:
        where = ", ".join(map(str, paths))
        hint = "tests of name.yaml are in name.test.yaml beside it; see `avtomat schema test`"
        raise NotFoundError(f"there are no tests in {where}", hint=hint)
    reports = _run_files(files, args)
    if args.name and not any(report.cases or not report.is_good for report in reports):
        raise NotFoundError(f"no case has {args.name!r} in its name")
    wants_coverage = args.coverage or args.coverage_min is not None
    covered = _coverage(paths, reports) if wants_coverage else None
    print(test_reports.at_the_end(reports, covered, args.output), end="")
    _tell(reports)
    return _exit_code(reports, covered, args.coverage_min)


def _per_cent(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        raise ArgumentTypeError("expected a number from 0 to 100")
    return int(text)


# --- what is run ------------------------------------------------------------------------------------------------------


def _files(paths: Sequence[Path]) -> Iterator[Path | Diagnostic]:
    """The files of tests at these paths; for a blueprint, the one beside it. NotFoundError: there is none."""
    for path in paths:
        if not is_there(path):
            raise NotFoundError(f"there is no file or folder {path}")
    yield from find_tests(_tests_of(path) for path in paths)


def _tests_of(path: Path) -> Path:
    if is_folder(path) or is_test(path.name):
        return path
    beside = [path.with_suffix(f".test{suffix}") for suffix in SUFFIXES]
    found = next((each for each in beside if is_file(each)), None)
    if found is None:
        raise NotFoundError(f"there are no tests of {path}", hint=f"write them into {beside[0]}")
    return found


def _run_files(files: Iterable[Path | Diagnostic], args: Namespace) -> list[FileReport]:
    """Run them, telling each that is done where that can be read at once."""
    reports: list[FileReport] = []
    colour = frames.wants_colour(sys.stdout)
    for file in files:
        report = FileReport(file=file.file, diagnostics=(file,)) if isinstance(file, Diagnostic) else _run(file, args)
        reports.append(report)
        if args.output == "text" and (report.cases or not report.is_good):
            print(test_reports.as_text(report, colour=colour), flush=True)
    return reports


def _run(file: Path, args: Namespace) -> FileReport:
    wanted = args.name.casefold()
    return run_file(file, lambda name: wanted in name.casefold())


def _coverage(paths: Sequence[Path], reports: Sequence[FileReport]) -> list[Coverage]:
    """The coverage of each blueprint that is tested, and of those in the folders that are not."""
    tested = [report.coverage for report in reports if report.coverage is not None]
    known = {Path(each.file).resolve() for each in tested}
    others = (path for path in find_blueprints(path for path in paths if is_folder(path)) if isinstance(path, Path))
    rest = [untested(path) for path in others if path.resolve() not in known]
    return [*together(tested), *(each for each in rest if each is not None)]


# --- how it ends ------------------------------------------------------------------------------------------------------


def _tell(reports: Sequence[FileReport]) -> None:
    """Findings about the files, and the summary."""
    found = [each for report in reports for each in report.diagnostics]
    for text in frames.as_text(found, frames.sources_of(found), colour=frames.wants_colour(sys.stderr)):
        print(text, end="\n\n", file=sys.stderr)
    print(test_reports.summary(reports), file=sys.stderr)


def _exit_code(reports: Sequence[FileReport], covered: Sequence[Coverage] | None, wanted: int | None) -> int:
    good = all(report.is_good for report in reports)
    if covered is not None and wanted is not None:
        done, total = test_reports.totals(covered)
        if 100 * done < wanted * total:
            text = f"coverage is {per_cent(done, total)} %, less than the {wanted} % that are asked for"
            print(f"avtomat: {text}", file=sys.stderr)
            good = False
    return 0 if good else EXIT_FAILED
