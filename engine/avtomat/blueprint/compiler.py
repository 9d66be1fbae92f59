"""The one door: a blueprint's text becomes a Program, or Diagnostics.

All that is wrong is found in one go, sorted by place. Nothing an author can write raises: should the checker itself
fail on a file, whatever the exception is, then that is a finding of this file, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avtomat.blueprint.assemble import assemble
from avtomat.blueprint.checks.rules import check_meaning
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.checks.shape import check_shape
from avtomat.blueprint.findings.codes_source import CHECKER_FAILED
from avtomat.blueprint.findings.finding import Finding, arrange
from avtomat.blueprint.readings import Readings, UnreadableFormulaError
from avtomat.blueprint.sites import find_sites
from avtomat.blueprint.spec import BlueprintSpec, Name, name_of, read_spec
from avtomat.blueprint.yaml.nodes import Span
from avtomat.blueprint.yaml.source import read_source
from avtomat.core.program import Program
from avtomat.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A text that was checked: what was found, sorted, and its parts when it could be read at all."""

    findings: tuple[Finding, ...]
    blueprint: BlueprintSpec | None = None
    readings: Readings | None = None

    @property
    def is_good(self) -> bool:
        """Whether it can be used: there are warnings and notes at most."""
        return self.blueprint is not None and all(f.code.severity is not Severity.ERROR for f in self.findings)

    @property
    def name(self) -> Name | None:
        """The blueprint's name, and where it stands."""
        return None if self.blueprint is None else name_of(self.blueprint.part("blueprint"))

    def program(self) -> Program:
        """Build the Program of a text that is good."""
        assert self.is_good
        assert self.blueprint is not None
        assert self.readings is not None
        return assemble(self.blueprint, self.readings)

    def built(self) -> Program | Finding:
        """Build the Program of a text that is good, or say that the compiler failed on it."""
        try:
            return self.program()
        except Exception as problem:  # whatever it is, it concerns this file alone
            return checker_failed(problem, self.blueprint)


def compile_text(content: str | bytes, *, file: str) -> Program | list[Diagnostic]:
    """Compile one blueprint, or return all that is wrong with it; warnings alone do not refuse it."""
    examined = examine_text(content)
    built = examined.built() if examined.is_good else None
    if isinstance(built, Program):
        return built
    findings = examined.findings if built is None else (*examined.findings, built)
    return [finding.in_file(file) for finding in findings]


def examine_text(content: str | bytes) -> Examined:
    """Check one blueprint without building its Program."""
    try:
        source = read_source(content)
        if source.root is None:
            return Examined(findings=tuple(arrange([*source.findings])))
        checked = check_shape(source.root)
        findings = [*source.findings, *checked.findings]
        blueprint = read_spec(checked.root)
    except Exception as problem:  # whatever it is, it concerns this file alone
        return Examined(findings=(checker_failed(problem),))
    if blueprint is None:
        return Examined(findings=tuple(arrange(findings)))
    return _examine_meaning(blueprint, source.text, findings)


def _examine_meaning(blueprint: BlueprintSpec, text: str, findings: list[Finding]) -> Examined:
    is_whole = not any(finding.code.severity is Severity.ERROR for finding in findings)
    try:
        readings = Readings(find_sites(blueprint))
        meaning = [*check_meaning(Subject(blueprint, text, readings, is_whole=is_whole))]
        return Examined(findings=tuple(arrange([*findings, *meaning])), blueprint=blueprint, readings=readings)
    except Exception as problem:  # whatever it is, it concerns this file alone
        return Examined(findings=tuple(arrange([*findings, checker_failed(problem, blueprint)])), blueprint=blueprint)


def checker_failed(problem: Exception, blueprint: BlueprintSpec | None = None) -> Finding:
    """Return the finding that the checker failed, at the formula that was being read, or else at the name."""
    name = None if blueprint is None else name_of(blueprint.part("blueprint"))
    span = name.span if name is not None else Span(line=1, column=1)
    if isinstance(problem, UnreadableFormulaError):
        span, problem = problem.span, problem.cause
    traceback, place = problem.__traceback__, ""
    while traceback is not None:
        place = f" at {Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    message = f"the checker failed on this file: {type(problem).__name__}{place}"
    return CHECKER_FAILED.at(span, message, "this is a bug in Avtomat: report it with this file and this line")
