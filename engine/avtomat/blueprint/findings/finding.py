"""One finding of the checker before it has a file: a code of the table, a place, and words for the author.

Findings do not name their file, so that they can be kept by the content that they are about. `Code` is an entry of the
table from which docs/diagnostics.md is written; a code's number never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from avtomat.blueprint.yaml.nodes import Span
from avtomat.diagnostics import Diagnostic, Severity

FOUND_MAX = 300
"""So many findings of a rule are made of a file."""
SHOWN_MAX = 100
"""So many findings of a file are shown, and the number of the others."""
WORDS_CHARS_MAX = 400
"""So long a message or a hint may be."""


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
        return Finding(code=self, span=span, message=_cut(message), hint=_cut(hint) if hint else hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found where, and how to fix it."""

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


def within_budget(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Return the first FOUND_MAX findings, and if no error is among them, the first error, too: it refuses the file."""
    has_error = False
    for made, finding in enumerate(findings):
        is_error = finding.code.severity is Severity.ERROR
        if made < FOUND_MAX or (is_error and not has_error):
            yield finding
        has_error = has_error or is_error
        if has_error and made + 1 >= FOUND_MAX:
            return


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
    shown = [kept[place] for place in sorted(kept)]
    return shown if len(shown) <= SHOWN_MAX else _first_of(shown)


def _first_of(findings: list[Finding]) -> list[Finding]:
    """The first findings, errors before others; the last of them says how many are left out."""
    errors = [finding for finding in findings if finding.code.severity is Severity.ERROR]
    shown = (errors or findings)[:SHOWN_MAX]
    others = f"at least {len(findings) - len(shown)} more findings in this file are not shown"
    hint = shown[-1].hint
    return [*shown[:-1], replace(shown[-1], hint=f"{hint}; {others}" if hint else others)]


def _cut(text: str) -> str:
    return text if len(text) <= WORDS_CHARS_MAX else f"{text[:WORDS_CHARS_MAX]}…"
