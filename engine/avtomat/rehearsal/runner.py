"""Run files of tests: read one, compile its blueprint, play its cases, and say what came of each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from avtomat.blueprint.compiler import Examined, examine_text
from avtomat.blueprint.files import is_test, is_there, read_file
from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.findings.finding import Finding, arrange
from avtomat.blueprint.language.spelling import nearest_hint
from avtomat.blueprint.spec import LANE, Name, StateSpec
from avtomat.core.program import Program
from avtomat.core.value import value
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.rehearsal.cases import Case, CaseFile
from avtomat.rehearsal.coverage import Coverage, coverage_of
from avtomat.rehearsal.judging import Outcome, judge, outcome_of
from avtomat.rehearsal.marks import Kind, Mark, marks_in, observed
from avtomat.rehearsal.naming import check_names
from avtomat.rehearsal.reading import ReadTests, read_tests
from avtomat.rehearsal.stage import play

_INDEX = re.compile(r"\[\d+\]")

Chosen = Callable[[str], bool]
"""Whether the case of this name is to be run."""


@value
class CaseReport:
    """What came of a case; it is good when nothing was found. `seconds` are those that it really took. `failed_at` is
    where the blueprint has the state that failed the job, as `file:line:column`.
    """

    name: Name
    diagnostics: tuple[Diagnostic, ...]
    outcome: Outcome
    seconds: float
    failed_at: str | None = None


@value
class FileReport:
    """What came of a file. `diagnostics` are findings about it or its blueprint: if there are errors, nothing was run.

    `blueprint` is the name of the blueprint's file, where that is known.
    """

    file: str
    blueprint: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    cases: tuple[CaseReport, ...] = ()
    coverage: Coverage | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing refuses the file, and all its cases are good."""
        refused = any(each.severity is Severity.ERROR for each in self.diagnostics)
        return not refused and not any(case.diagnostics for case in self.cases)


def run_file(path: Path, chosen: Chosen = lambda _: True, content: bytes | None = None) -> FileReport:
    """Run the chosen cases of one file; nothing is run where anything in it, or in its blueprint, is wrong. `content`
    is what counts as its text, if it is not to be read.
    """
    found = read_file(path) if content is None else content
    if isinstance(found, Diagnostic):
        return FileReport(file=str(path), diagnostics=(found,))
    read = read_tests(found)
    if read.tests is None:
        return _refused(path, [*read.findings])
    file = path.parent / read.tests.blueprint.text
    return _run_with(path, read, read.tests, file, chosen)


def untested(path: Path) -> Coverage | None:
    """The coverage of a blueprint that no file of tests is about: none. None: it cannot be compiled."""
    content = read_file(path)
    examined = None if isinstance(content, Diagnostic) else examine_text(content)
    if examined is None or examined.blueprint is None or not examined.is_good:
        return None
    return coverage_of(examined.blueprint, str(path), ())


def _run_with(path: Path, read: ReadTests, tests: CaseFile, file: Path, chosen: Chosen) -> FileReport:
    content = read_file(file)
    if isinstance(content, Diagnostic):
        message = f"{file}: {content.message}" if is_there(file) else f"there is no file {file}"
        hint = nearest_hint(tests.blueprint.text, _neighbours(path)) or "the name is as seen from this file"
        return _refused(path, [*read.findings, codes.NO_BLUEPRINT.at(tests.blueprint.span, message, hint)])
    examined = examine_text(content)
    program = examined.built() if examined.is_good else None
    if not isinstance(program, Program):
        refused = codes.BLUEPRINT_REFUSED.at(tests.blueprint.span, f"{file} has errors", "fix them first")
        wrong = [*examined.findings, *([] if program is None else [program])]
        of_blueprint = [finding.in_file(str(file)) for finding in wrong]
        return _refused(path, [*read.findings, refused], of_blueprint, str(file))
    assert read.root is not None
    findings = [*read.findings, *check_names(read.root, program)]
    if any(finding.code.severity is Severity.ERROR for finding in findings):
        return _refused(path, findings, (), str(file))
    return _run_cases(path, read, examined, [case for case in tests.cases if chosen(case.name.text)], str(file))


def _refused(
    path: Path,
    findings: list[Finding],
    more: Sequence[Diagnostic] = (),
    blueprint: str | None = None,
) -> FileReport:
    own = [finding.in_file(str(path)) for finding in arrange(findings)]
    return FileReport(file=str(path), blueprint=blueprint, diagnostics=(*own, *more))


def _run_cases(path: Path, read: ReadTests, examined: Examined, cases: Sequence[Case], blueprint: str) -> FileReport:
    assert examined.blueprint is not None
    seen: set[Mark] = set()
    program = observed(examined.program(), seen)
    states = [*examined.blueprint.states]

    def run(case: Case) -> CaseReport:
        begun = time.perf_counter()
        played = play(program, case)
        if case.schedule is not None:
            seen.add(Mark(Kind.SCHEDULE, "", None, case.schedule.text))
        seen.update(marks_in(played.entries, program, played.join_errors))
        outcome = outcome_of(played)
        found = tuple(finding.in_file(str(path)) for finding in judge(case, played, outcome, read.source))
        return CaseReport(
            name=case.name,
            diagnostics=found,
            outcome=outcome,
            seconds=time.perf_counter() - begun,
            failed_at=_place_of_error(outcome, states, blueprint),
        )

    reports = tuple(map(run, cases))
    return FileReport(
        file=str(path),
        blueprint=blueprint,
        diagnostics=tuple(finding.in_file(str(path)) for finding in arrange([*read.findings])),
        cases=reports,
        coverage=coverage_of(examined.blueprint, blueprint, seen),
    )


def _place_of_error(outcome: Outcome, states: Iterable[StateSpec], file: str) -> str | None:
    """Where the state is written that the job's error names; items of a block have one state together."""
    named = _INDEX.sub("", str((outcome.error or {}).get("state") or ""))
    lone = f"{named}.{LANE}"
    found = next((state.span for state in states if state.path in {named, lone}), None)
    return None if found is None else f"{file}:{found.line}:{found.column}"


def _neighbours(path: Path) -> Iterator[str]:
    return (each.name for each in path.parent.iterdir() if each.suffix == path.suffix and not is_test(each.name))
