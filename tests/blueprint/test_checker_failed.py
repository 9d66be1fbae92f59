"""Should the checker itself fail on a file, then that is a finding of this file, and the others are checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avtomat.blueprint import compiler
from avtomat.blueprint import readings as places
from avtomat.blueprint.checks import rules
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.compiler import compile_text, examine_text
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.functions.table import FUNCTIONS
from avtomat.blueprint.pieces import compile_piece
from avtomat.blueprint.registry import read_texts, registry_of
from avtomat.diagnostics import Diagnostic

FILE = """\
avtomat: 1
blueprint: {name}
states:
  a:
    task: t
    params: {{who: "{{{{ input.name }}}}"}}
"""


def broken_rule(subject: Subject) -> Iterator[Finding]:
    if "broken" in subject.source:
        raise LookupError("not what the rule counted on")
    yield from ()


@pytest.mark.parametrize("kind", [TypeError, RecursionError, MemoryError, AssertionError, UnicodeError])
def test_an_exception_of_any_kind_is_a_finding_at_the_name_of_the_blueprint(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def rule(_subject: Subject) -> Iterator[Finding]:
        raise kind

    monkeypatch.setattr(rules, "RULES", (*rules.RULES, rule))

    (finding,) = examine_text(FILE.format(name="a")).findings

    assert finding.code.number == "AVT029"
    assert (finding.span.line, finding.span.column) == (2, 12)
    assert f"{kind.__name__} at test_checker_failed.py:" in finding.message


def test_a_call_that_raises_while_it_is_tried_is_a_finding_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*_args: Any) -> None:
        raise KeyError

    monkeypatch.setitem(FUNCTIONS, "fixed", replace(FUNCTIONS["fixed"], call=call))
    text = FILE.format(name="a").replace("input.name", "fixed(1.25, 1)")

    (finding,) = compile_piece(text.encode()).diagnostics

    assert (finding.code, finding.line) == ("AVT029", 6)
    assert "KeyError at test_checker_failed.py:" in finding.message


def compile_folder(folder: Path) -> tuple[Diagnostic, ...]:
    texts = read_texts(folder)
    compiled = {file: compile_piece(content) for file, content in texts.contents.items()}
    return registry_of(texts, compiled, {}).diagnostics


def test_a_formula_on_which_the_reader_fails_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_value(*_args: Any, **_more: Any) -> None:
        raise TypeError

    monkeypatch.setattr(places, "compile_value", compile_value)

    (finding,) = examine_text(FILE.format(name="a")).findings

    assert finding.code.number == "AVT029"
    assert finding.span.line == 6


def test_a_failure_before_anything_is_understood_is_told_at_the_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "read_spec", lambda _root: 1 / 0)

    (finding,) = examine_text(FILE.format(name="a")).findings

    assert (finding.code.number, finding.span.line) == ("AVT029", 1)
    assert "ZeroDivisionError" in finding.message


def test_a_program_that_cannot_be_built_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def assemble(*_args: Any) -> None:
        raise KeyError

    (tmp_path / "a.yaml").write_text(FILE.format(name="a"), "utf-8")
    monkeypatch.setattr(compiler, "assemble", assemble)

    compiled = compile_text(FILE.format(name="a"), file="a.yaml")
    found = compile_folder(tmp_path)

    assert isinstance(compiled, list)
    assert [each.code for each in (*compiled, *found)] == ["AVT029", "AVT029"]


def test_the_other_files_of_a_folder_are_checked_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("a", "broken", "c"):
        (tmp_path / f"{name}.yaml").write_text(FILE.format(name=name), "utf-8")
    (tmp_path / "d.yaml").write_text(FILE.format(name="d").replace("task: t", "task: t\n    next: nowhere"), "utf-8")
    monkeypatch.setattr(rules, "RULES", (*rules.RULES, broken_rule))

    found = compile_folder(tmp_path)

    assert [(Path(each.file).name, each.code) for each in found] == [("broken.yaml", "AVT029"), ("d.yaml", "AVT201")]
