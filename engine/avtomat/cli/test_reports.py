"""Write down what came of tests: for people, as JSON, as JUnit's XML, and as annotations for GitHub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

from avtomat.cli import frames
from avtomat.core.duration import format_duration
from avtomat.core.formula import Json
from avtomat.diagnostics import Diagnostic
from avtomat.rehearsal.comparing import row
from avtomat.rehearsal.coverage import Coverage, per_cent
from avtomat.rehearsal.marks import Kind
from avtomat.rehearsal.runner import CaseReport, FileReport

_GOOD, _BAD = "32", "31;1"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLURALS = {Kind.STATE: "states", Kind.TRANSITION: "transitions", Kind.CATCH: "catches", Kind.RETRY: "retries",
            Kind.TIMEOUT: "timeouts", Kind.SCHEDULE: "schedules"}  # fmt: skip


def at_the_end(reports: Sequence[FileReport], covered: Sequence[Coverage] | None, output: str) -> str:
    """What is printed once all is done; in text that is the coverage alone."""
    match output:
        case "json":
            return _as_json(reports, covered) + "\n"
        case "junit":
            return _as_junit(reports) + "\n"
        case "github":
            return "".join(f"{line}\n" for line in frames.as_github([*_annotations(reports), *_missed(covered or ())]))
        case _:
            return "".join(f"{line}\n" for line in _coverage_lines(covered)) if covered is not None else ""


def summary(reports: Sequence[FileReport]) -> str:
    """How many cases there were, and how many failed."""
    cases = [case for report in reports for case in report.cases]
    failed = sum(bool(case.diagnostics) for case in cases)
    refused = sum(not report.is_good and not report.cases for report in reports)
    bad = [f"{failed} failed"] if failed else []
    bad += [f"{frames.counted(refused, 'file')} could not be run"] if refused else []
    ran = f"{frames.counted(len(cases), 'case')} in {frames.counted(len(reports), 'file')}"
    return f"{ran}: {', '.join(bad) or 'all good'}"


def totals(covered: Sequence[Coverage]) -> tuple[int, int]:
    """How many parts of all these blueprints were exercised, and how many there are."""
    counts = [each.count() for each in covered]
    return sum(done for done, _ in counts), sum(total for _, total in counts)


# --- text -------------------------------------------------------------------------------------------------------------


def as_text(report: FileReport, *, colour: bool) -> str:
    """One line for a file, and for each case that failed what was found."""
    failed = [case for case in report.cases if case.diagnostics]
    if not report.cases:
        return f"{report.file}: {frames.painted('could not be run', _BAD, colour)}"
    cases = frames.counted(len(report.cases), "case")
    word = frames.painted(f"{len(failed)} failed", _BAD, colour) if failed else frames.painted("good", _GOOD, colour)
    return "\n".join([f"{report.file}: {cases}, {word}", *(_failed(case, colour=colour) for case in failed)])


def _failed(case: CaseReport, *, colour: bool) -> str:
    head = f"\n{frames.painted('FAILED', _BAD, colour)} {case.name.text}"
    found = frames.as_text(case.diagnostics, frames.sources_of(case.diagnostics), colour=colour)
    error = case.outcome.error or {}
    failed = [] if case.failed_at is None else [f"  {case.failed_at}: here it failed with {error['code']}"]
    return "\n".join([head, *found, f"  path: {_path(case)}", *failed, ""])


def _path(case: CaseReport) -> str:
    return row(case.outcome.path, " -> ")


def _coverage_lines(covered: Sequence[Coverage]) -> Iterator[str]:
    for each in covered:
        done, total = each.count()
        counts = ((kind, each.count(kind)) for kind in Kind)
        parts = ", ".join(f"{_PLURALS[kind]} {some}/{every}" for kind, (some, every) in counts if every)
        yield f"coverage of {each.file}: {per_cent(done, total)} % ({parts})"
        for missed in _missed([each]) if done else ():
            yield f"  {missed.file}:{missed.line}:{missed.column}: {missed.message}"
    done, total = totals(covered)
    yield f"coverage: {per_cent(done, total)} % of {total}"


def _missed(covered: Sequence[Coverage]) -> list[Diagnostic]:
    return [finding.in_file(each.file) for each in covered for finding in each.findings]


# --- for programs -----------------------------------------------------------------------------------------------------


def _as_json(reports: Sequence[FileReport], covered: Sequence[Coverage] | None) -> str:
    cases = [case for report in reports for case in report.cases]
    told: dict[str, Json] = {
        "good": all(report.is_good for report in reports),
        "cases": len(cases),
        "failed": sum(bool(case.diagnostics) for case in cases),
        "files": [_file_as_map(report) for report in reports],
    }
    if covered is not None:
        done, total = totals(covered)
        told["coverage"] = {
            "percent": per_cent(done, total),
            "exercised": done,
            "total": total,
            "blueprints": [_coverage_as_map(each) for each in covered],
        }
    return json.dumps(told, ensure_ascii=False)


def _file_as_map(report: FileReport) -> dict[str, Json]:
    return {
        "file": report.file,
        "blueprint": report.blueprint,
        "good": report.is_good,
        "diagnostics": [*map(frames.as_map, report.diagnostics)],
        "cases": [_case_as_map(case) for case in report.cases],
    }


def _case_as_map(case: CaseReport) -> dict[str, Json]:
    return {
        "name": case.name.text,
        "line": case.name.span.line,
        "good": not case.diagnostics,
        "status": case.outcome.status,
        "path": [*case.outcome.path],
        "elapsed": format_duration(case.outcome.elapsed),
        "failures": [*map(frames.as_map, case.diagnostics)],
    }


def _coverage_as_map(each: Coverage) -> dict[str, Json]:
    done, total = each.count()
    counts = {_PLURALS[kind]: each.count(kind) for kind in Kind}
    return {
        "file": each.file,
        "percent": per_cent(done, total),
        **{word: {"exercised": some, "total": every} for word, (some, every) in counts.items()},
        "missed": [*map(frames.as_map, _missed([each]))],
    }


# --- JUnit ------------------------------------------------------------------------------------------------------------


def _as_junit(reports: Sequence[FileReport]) -> str:
    root = ET.Element("testsuites", name="avtomat test")
    for report in reports:
        root.append(_suite(report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}'


def _suite(report: FileReport) -> ET.Element:
    failed, refused = sum(bool(case.diagnostics) for case in report.cases), not report.is_good and not report.cases
    suite = ET.Element(
        "testsuite",
        name=_xml(report.file),
        tests=str(len(report.cases) + refused),
        failures=str(failed),
        errors=str(int(refused)),
        time=f"{sum(case.seconds for case in report.cases):.3f}",
    )
    for case in report.cases:
        suite.append(_testcase(report, case.name.text, case.diagnostics, "failure", f"{case.seconds:.3f}"))
    if refused:
        suite.append(_testcase(report, "the file itself", report.diagnostics, "error", "0"))
    return suite


def _testcase(report: FileReport, name: str, found: Sequence[Diagnostic], word: str, seconds: str) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=_xml(report.blueprint or report.file),
        name=_xml(name),
        file=_xml(report.file),
        time=seconds,
    )
    if found:
        told = "\n\n".join(frames.as_text(found, frames.sources_of(found)))
        ET.SubElement(case, word, message=_xml(found[0].message), type=found[0].code).text = _xml(told)
    return case


def _xml(text: str) -> str:
    """The text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


# --- GitHub -----------------------------------------------------------------------------------------------------------


def _annotations(reports: Sequence[FileReport]) -> Iterator[Diagnostic]:
    for report in reports:
        yield from report.diagnostics
        for case in report.cases:
            yield from (replace(each, message=f"{case.name.text}: {each.message}") for each in case.diagnostics)
