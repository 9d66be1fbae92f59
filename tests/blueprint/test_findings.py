"""Promises of the number of findings: a bound for each file, and never a fault that is lost behind warnings."""

from __future__ import annotations

from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import FOUND_MAX, SHOWN_MAX, Finding, arrange, within_budget
from avtomat.blueprint.yaml.nodes import Span
from avtomat.diagnostics import Severity


def finding(line: int, severity: Severity) -> Finding:
    code = next(code for code in vars(codes).values() if isinstance(code, codes.Code) and code.severity is severity)
    return code.at(Span(line=line, column=1), "a message")


def test_an_error_behind_many_warnings_is_found() -> None:
    many = [finding(line, Severity.WARNING) for line in range(2 * FOUND_MAX)]

    found = [*within_budget([*many, finding(9_999, Severity.ERROR), *many])]

    assert len(found) == FOUND_MAX + 1
    assert found[-1].code.severity is Severity.ERROR
    assert [each.code.severity for each in arrange(found)][:1] == [Severity.ERROR]


def test_what_is_not_shown_is_counted() -> None:
    shown = arrange([finding(line, Severity.ERROR) for line in range(SHOWN_MAX + 7)])

    assert len(shown) == SHOWN_MAX
    assert shown[-1].hint == "at least 7 more findings in this file are not shown"
