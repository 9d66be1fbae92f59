"""The one door: a blueprint's text becomes a Program, or Diagnostics.

All that is wrong is found in one go, sorted by place. Nothing an author can write raises.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from avtomat.blueprint.assemble import assemble
from avtomat.blueprint.findings import Finding, arrange
from avtomat.blueprint.nodes import Node, node_of
from avtomat.blueprint.places import Readings, find_places
from avtomat.blueprint.rules import check_meaning
from avtomat.blueprint.rules.subject import Subject
from avtomat.blueprint.schema import check_shape
from avtomat.blueprint.source import read_source
from avtomat.blueprint.spec import BlueprintSpec, Name, name_of, read_spec
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


def compile_text(content: str | bytes, *, file: str) -> Program | list[Diagnostic]:
    """Compile one blueprint, or return all that is wrong with it; warnings alone do not refuse it."""
    examined = examine_text(content)
    return examined.program() if examined.is_good else [finding.in_file(file) for finding in examined.findings]


def examine_text(content: str | bytes) -> Examined:
    """Check one blueprint without building its Program."""
    source = read_source(content)
    if source.root is None:
        return Examined(findings=tuple(arrange([*source.findings])))
    checked = check_shape(source.root)
    findings = [*source.findings, *checked.findings]
    blueprint = read_spec(checked.root)
    if blueprint is None:
        return Examined(findings=tuple(arrange(findings)))
    readings = Readings(find_places(blueprint))
    is_whole = not any(finding.code.severity is Severity.ERROR for finding in findings)
    findings += check_meaning(Subject(blueprint, source.text, readings, is_whole=is_whole))
    return Examined(findings=tuple(arrange(findings)), blueprint=blueprint, readings=readings)


def build_program(canonical: str) -> Program:
    """Build a stored program again from its canonical form, without asking the rules of today."""
    root: Node = node_of(orjson.loads(canonical))
    blueprint = read_spec(root)
    assert blueprint is not None
    return assemble(blueprint, Readings(find_places(blueprint)))
