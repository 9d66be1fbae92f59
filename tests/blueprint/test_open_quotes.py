"""A quote that is missing is told where it is missing, not where the parser stumbled over the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.events import ScalarEvent

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.open_quotes import open_quote

RIGHT = sorted((Path(__file__).parent / "right").glob("*.yaml"))


def quoted_scalars(text: str) -> Iterator[ScalarEvent]:
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, ScalarEvent) and event.style in {'"', "'"}:
            yield event


def places(text: str) -> list[tuple[int, int]]:
    return [(found.span.line, found.span.column) for found in examine_text(text).findings]


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.stem)
def test_a_quote_that_was_never_closed_is_told_where_it_opens(file: Path) -> None:
    text = file.read_text("utf-8")
    for event in quoted_scalars(text):
        closing = event.end_mark.index - 1

        found = places(text[:closing] + text[closing + 1 :])

        assert (event.start_mark.line + 1, event.start_mark.column + 1) in found, event.value


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.stem)
def test_a_quote_that_was_never_opened_is_told_on_its_line(file: Path) -> None:
    text = file.read_text("utf-8")
    for event in quoted_scalars(text):
        opening = event.start_mark.index
        lines = range(event.start_mark.line + 1, event.end_mark.line + 2)

        found = places(text[:opening] + text[opening + 1 :])

        assert any(line in lines for line, _column in found), event.value


def test_a_text_over_several_lines_is_not_taken_for_an_open_quote() -> None:
    text = 'a: "first\n  note: second\n  - third"\nb: |\n  "open\nc: {d: "e\n  f", g: it\'s, h: "i"}\nj: "k" l\n'

    assert open_quote(text.split("\n"), 7) is None


@pytest.mark.parametrize(
    "line", ['a: "b', "a: [" + '"b", ' * 40_000, "a: {" + 'b: "c" d, ' * 20_000, '- "' + " " * 99_999]
)
def test_each_line_is_read_once(line: str) -> None:
    """Else the last of these would take minutes: the time limit of a test is what fails."""
    found = open_quote([line] * (1_000_000 // len(line)), 1_000_000)

    assert found is None or found.span.line == 1
