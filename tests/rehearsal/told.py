"""Run files of tests as `avtomat test` does, and write down what is found."""

from __future__ import annotations

from pathlib import Path

from avtomat.cli.frames import as_text, sources_of
from avtomat.rehearsal.runner import FileReport, run_file

UNEXERCISED = "avt631"


def found_in(file: Path) -> str:
    """All that is found about a file, its blueprint and its cases; what no case exercises only where that is asked."""
    report = run_file(file)
    diagnostics = [*report.diagnostics, *(each for case in report.cases for each in case.diagnostics)]
    if file.name.startswith(UNEXERCISED) and report.coverage is not None:
        diagnostics += [finding.in_file(report.coverage.file) for finding in report.coverage.findings]
    texts = as_text(diagnostics, sources_of(diagnostics))
    return "\n\n".join(texts).replace(f"{file.parent}/", "") + "\n"


def run_text(folder: Path, blueprint: str, tests: str) -> FileReport:
    """Run these tests, beside this blueprint in `it.yaml`; `test:` is written in front of them."""
    (folder / "it.yaml").write_text(f"avtomat: 1\nblueprint: it\n{blueprint}", "utf-8")
    file = folder / "it.test.yaml"
    file.write_text(f"avtomat: 1\ntest: it.yaml\n{tests}", "utf-8")
    return run_file(file)


def messages(report: FileReport) -> list[str]:
    """What was found, without places: about the file, then about its cases."""
    found = [*report.diagnostics, *(each for case in report.cases for each in case.diagnostics)]
    return [each.message for each in found]
