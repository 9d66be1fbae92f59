"""Words of their own for the usual accidents with YAML: files that parse, but do not say what they seem to.

Each function looks at the text around the place and answers with a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from avtomat.blueprint.findings import codes_source as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.yaml.lookalikes import is_in_curly_quotes
from avtomat.blueprint.yaml.nodes import Node, Scalar, Sequence, Span
from avtomat.blueprint.yaml.scalars import quoted

CODES = (codes.BARE_TEMPLATE, codes.CUT_BY_COMMA, codes.TAG)
"""Accidents after which the parser may stumble on the same line; its own complaint is then left out."""

LINE_CHARS_MAX = 2_000
"""Longer lines are written by programs: what a person may have meant there is not looked for."""
LINES_ABOVE_MAX = 1_000

_MARKS = re.compile(r"[(\[{'\"]")
_BRACKETS = {")": "(", "]": "[", "}": "{"}


def bare_template(span: Span, written: str) -> Finding:
    """A value that begins with `{{` and has no quotes."""
    shown = written if "\n" not in written and len(written) <= 60 else "{{ … }}"
    return codes.BARE_TEMPLATE.at(span, f"the template {shown} is not in quotes", f"write {quoted(shown)}")


def is_cut_short(node: Node) -> bool:
    """Whether a plain value in a flow map or list has an open bracket or quote: the next comma has cut it."""
    return isinstance(node, Scalar) and not node.style and is_unbalanced(node.text)


def is_unbalanced(text: str) -> bool:
    """Whether a bracket or a quote is open at the end of `text`."""
    if len(text) > LINE_CHARS_MAX or not _MARKS.search(text):
        return False
    is_odd = {char: text.count(char) % 2 == 1 for char in "\"'"}
    expected: list[str] = []
    quote = ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and not expected and is_odd[char]:
            return True
        elif char in "\"'":
            quote = char
        elif char in "([{":
            expected.append(char)
        elif char in _BRACKETS and expected and expected[-1] == _BRACKETS[char]:
            expected.pop()
    return bool(expected) or bool(quote)


def cut_by_comma(key: str, whole: Scalar) -> Finding:
    """A value inside `{ }` that a comma ends."""
    message = f"the comma ends the value of `{key}`: inside {{ }} it separates entries"
    return codes.CUT_BY_COMMA.at(whole.span, message, f"put the whole value in quotes: {key}: {quoted(whole.text)}")


def items_cut_by_comma(sequence: Sequence, source: str) -> Iterator[Finding]:
    """Two neighbours of a list in `[ ]` that were one value."""
    for first, second in zip(sequence.items, sequence.items[1:], strict=False):
        if is_cut_short(first) and isinstance(second, Scalar) and not second.style and second.text.count(")") > 0:
            written = source[first.start.index : second.end.index]
            if not is_unbalanced(written):
                message = "the comma ends the item: inside [ ] it separates items"
                yield codes.CUT_BY_COMMA.at(first.span, message, f"put the whole item in quotes: {quoted(written)}")


def begins_comment(value: Node, source: str) -> bool:
    """Whether `#` stands where the value should: `color: #fff`."""
    return source.startswith(" #", value.end.index) and bool([*cut_by_comment(value, source)])


def cut_by_comment(scalar: Node, source: str) -> Iterator[Finding]:
    """A ` #` that was probably meant as part of the text: no space after it, or a template cut in two."""
    at = scalar.end.index + 1
    end = source.find("\n", at)
    rest = source[at : end if end >= 0 else len(source)][:LINE_CHARS_MAX]
    if re.match(r"#[^\s#!]", rest) or "}}" in rest or "{{" in rest:
        line, column = scalar.end.line + 1, scalar.end.column + 2
        span = Span(line=line, column=column, end_column=column + len(rest))
        message = f"everything from here on is a comment: {rest[:40]}"
        yield codes.COMMENT_IN_TEXT.at(span, message, "if it belongs to the text, put the text in quotes")


def stray_quote(scalar: Scalar) -> Iterator[Finding]:
    """A quote at the end of a plain text that opens nowhere in it, or quotes that are none in YAML."""
    if is_in_curly_quotes(scalar.text):
        inner = scalar.text[1:-1]
        hint = f"if they were meant as quotes, write {quoted(inner) if len(inner) <= 60 else 'straight ones'}"
        yield codes.STRAY_QUOTE.at(scalar.span, f"{scalar.text[0]} and {scalar.text[-1]} belong to the text", hint)
    elif (quote := scalar.text[-1]) in "\"'" and scalar.text.count(quote) % 2:
        meant = quoted(scalar.text[:-1]) if len(scalar.text) <= 60 else "it at the beginning, too"
        hint = f"if the opening quote is missing, write {meant}"
        yield codes.STRAY_QUOTE.at(scalar.span, f"this text ends with {quote}, and does not begin with it", hint)


def tag(event: Any, text: str) -> Finding:
    """A `!` before a value: a negation, or a real tag."""
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    written = str(event.tag).rstrip(",")
    span = Span(line=line, column=column, end_column=column + len(written))
    if written.startswith("!") and not written.startswith("!!"):
        operand = written[1:] or text
        message = f"YAML takes {written} for a tag, and tags are not used"
        return codes.TAG.at(span, message, f"for negation write not: {quoted(f'not {operand}')}")
    written = written.replace("tag:yaml.org,2002:", "!!")
    span = Span(line=line, column=column, end_column=column + len(written))
    return codes.TAG.at(span, f"the tag {written} is not used here", "remove it; quotes make a text of anything")


def unknown_alias(name: str, span: Span, *, cyclic: bool) -> Finding:
    """`*name` without an earlier `&name`."""
    if cyclic:
        return codes.ALIAS.at(span, f"*{name} stands inside the value that it stands for", "remove the alias")
    hint = f"mark a value with &{name} before, or put the text in quotes: {quoted('*' + name)}"
    return codes.ALIAS.at(span, f"nothing before this was marked with &{name}", hint)
