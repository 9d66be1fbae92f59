"""Compile one text into what can be handed to another process: its program's canonical form, and what was found."""

from __future__ import annotations

from avtomat.blueprint.compiler import Examined, examine_text
from avtomat.blueprint.families import runs_of
from avtomat.blueprint.registry import Compiled
from avtomat.core.program import Program


def compile_piece(content: bytes) -> Compiled:
    """Compile a text. Whatever fails is a finding of it."""
    examined = examine_text(content)
    built = examined.built() if examined.is_good else None
    findings = examined.findings if built is None or isinstance(built, Program) else (*examined.findings, built)
    program = built if isinstance(built, Program) else None
    return Compiled(
        name=_name_of(examined),
        digest=None if program is None else program.digest,
        canonical=None if program is None else program.canonical,
        diagnostics=tuple(finding.in_file("") for finding in findings),
        runs=() if program is None or examined.blueprint is None else runs_of(examined.blueprint, program),
    )


def _name_of(examined: Examined) -> tuple[str, int, int] | None:
    name = examined.name
    return None if name is None else (name.text, name.span.line, name.span.column)
