"""One finding of the checker before it has a file: a code of the table, a place, and words for the author.

Findings do not name their file, so that they can be kept by the content that they are about. `Code` is an entry of the
table from which docs/diagnostics.md is written; a code's number never changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from avtomat.blueprint.nodes import Span
from avtomat.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of finding. `about` says in a few sentences why it matters and what to do."""

    number: str
    title: str
    about: str
    severity: Severity = Severity.ERROR

    @property
    def stage(self) -> str:
        """Its first digit: which stage of checking finds it."""
        return self.number[3]

    @property
    def anchor(self) -> str:
        """The fragment of its entry in docs/diagnostics.md."""
        return self.number.lower()

    def at(self, span: Span, message: str, hint: str | None = None) -> Finding:
        """Return a finding of this kind."""
        return Finding(code=self, span=span, message=message, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found where, and how to mend it."""

    code: Code
    span: Span
    message: str
    hint: str | None = None

    def in_file(self, file: str) -> Diagnostic:
        """Return it as it is shown."""
        return Diagnostic(
            code=self.code.number,
            severity=self.code.severity,
            message=self.message,
            file=file,
            line=self.span.line,
            column=self.span.column,
            hint=self.hint,
            end_column=self.span.end_column,
        )


def arrange(findings: list[Finding]) -> list[Finding]:
    """Return them in the order of the file, without repetitions.

    At one place an error silences warnings and notes, and an error of an earlier stage (file, shape, meaning: the first
    digit of the code) those of later ones, which it probably caused.
    """
    stages: dict[tuple[int, int], str] = {}
    for finding in findings:
        if finding.code.severity is Severity.ERROR:
            place = (finding.span.line, finding.span.column)
            stages[place] = min(stages.get(place, "9"), finding.code.stage)
    kept = {
        (f.span.line, f.span.column, f.code.number, f.message): f
        for f in findings
        if (stage := stages.get((f.span.line, f.span.column))) is None
        or (f.code.severity is Severity.ERROR and f.code.stage == stage)
    }
    return [kept[place] for place in sorted(kept)]
