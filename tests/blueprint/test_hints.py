"""A hint that says what to write is right: following it to the letter mends what was found."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.findings.finding import Finding

GOLDEN = Path(__file__).parent / "golden"
_WORD = re.compile(r"(?:write|did you mean) ([\w.-]+)\??")
_QUOTED = re.compile(r"write (\"[^\"]*\"|'(?:[^']|'')*')")
_ENTRY = re.compile(r"(?:write|write a list:|put the whole value in quotes:) (([\w.-]+): .+)")
_EXAMPLES = ("…", "{…}", "name_of_a_state", ", or ", ", if ", "; ", "such as", "alone")
"""What a hint holds when it shows the form, and not the very words."""


def followed(text: str, finding: Finding) -> str | None:
    """Return the text after the hint was followed to the letter, or None when it names no replacement."""
    hint, span = finding.hint or "", finding.span
    if span.end_column is None or any(word in hint for word in _EXAMPLES):
        return None
    lines = text.split("\n")
    line = lines[span.line - 1]
    start, end = span.column - 1, span.end_column - 1
    found = _WORD.fullmatch(hint) or _QUOTED.fullmatch(hint)
    if found is None and (found := _ENTRY.fullmatch(hint)):
        before = re.search(rf"(?<![\w.-]){re.escape(found[2])}: *$", line[:start])
        if before is None:
            return None
        start = before.start()
    if found is None:
        return None
    lines[span.line - 1] = line[:start] + found[1] + line[end:]
    return "\n".join(lines)


def told(text: str) -> Counter[tuple[str, str]]:
    return Counter((finding.code.number, finding.message) for finding in examine_text(text).findings)


def cures() -> list[tuple[str, int]]:
    found = []
    for file in sorted(GOLDEN.glob("*.yaml")):
        text = file.read_text("utf-8")
        findings = examine_text(text).findings
        found += [(file.stem, at) for at, each in enumerate(findings) if followed(text, each) is not None]
    return found


CURES = cures()


@pytest.mark.parametrize(("mistake", "at"), CURES)
def test_following_a_hint_to_the_letter_mends_the_file(mistake: str, at: int) -> None:
    text = (GOLDEN / f"{mistake}.yaml").read_text("utf-8")
    finding = examine_text(text).findings[at]
    mended = followed(text, finding)
    assert mended is not None

    before, after = told(text), told(mended)

    assert after[finding.code.number, finding.message] < before[finding.code.number, finding.message], mended
    assert not [code for code, _message in after if code < "AVT100" and code not in {c for c, _ in before}], mended


def test_most_hints_that_name_a_replacement_are_tried() -> None:
    assert len(CURES) > 60
