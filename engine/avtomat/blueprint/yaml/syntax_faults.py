"""Faults of syntax in the author's words: the parser says what it expected, and authors need to hear what they did."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from avtomat.blueprint.findings import codes_source as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.open_quotes import open_quote
from avtomat.blueprint.yaml.accidents import LINE_CHARS_MAX, bare_template, is_unbalanced
from avtomat.blueprint.yaml.lookalikes import colon_hint, is_in_curly_quotes
from avtomat.blueprint.yaml.nodes import Mark, Scalar, Span
from avtomat.blueprint.yaml.scalars import quoted

LINES_ABOVE_MAX = 1_000


class _Scene:
    """Where the parser stopped: the place, the line, the last scalar before it, and the brackets that are open."""

    def __init__(self, error: Any, source: str, last: Scalar | None, opened: list[Any]) -> None:
        self.problem = str(error.problem or error)
        self.context = str(error.context or "")
        mark: Mark | None = error.problem_mark or error.context_mark
        self.line = mark.line if mark else 0
        self.column = mark.column if mark else 0
        lines = source.split("\n")
        self.lines = lines
        self.text = lines[self.line] if self.line < len(lines) else ""
        self.char = self.text[self.column : self.column + 1]
        self.started: Mark | None = error.context_mark
        self.last = last
        self.flows = [event for event in opened if event.flow_style]
        self.blocks = [event for event in opened if not event.flow_style]
        self.span = Span(line=self.line + 1, column=self.column + 1, end_column=self.column + 2 if self.char else None)

    @property
    def is_long(self) -> bool:
        """Whether one of the lines that an explanation looks at is longer than a person writes."""
        marks = (self.started, *(event.start_mark for event in self.flows))
        numbers = {self.line, *(mark.line for mark in marks if mark is not None)}
        return any(len(self.lines[number]) > LINE_CHARS_MAX for number in numbers if number < len(self.lines))

    @property
    def last_on_line(self) -> Scalar | None:
        """The last scalar, if it ends on the line of the problem."""
        return self.last if self.last is not None and self.last.end.line == self.line else None


def explain(error: Any, source: str, last: Scalar | None, opened: list[Any]) -> Finding:
    """Say in the author's words why the parser could not go on."""
    scene = _Scene(error, source, last, opened)
    for tell in (_tell_open_quote,) if scene.is_long else _EXPLANATIONS:
        finding = tell(scene)
        if finding is not None:
            return finding
    return codes.SYNTAX.at(scene.span, f"this is not YAML: {scene.problem}")


def _tell_open_quote(scene: _Scene) -> Finding | None:
    return open_quote(scene.lines, scene.line)


def _tell_template(scene: _Scene) -> Finding | None:
    for event in scene.flows:
        mark = event.start_mark
        line = scene.lines[mark.line]
        if line.startswith("{{", mark.column):
            end = line.rfind("}}", mark.column)
            written = line[mark.column : end + 2] if end > 0 else line[mark.column :].rstrip()
            end_column = mark.column + 1 + len(written)
            if line[end_column - 1 : end_column] in {'"', "'"}:  # the quote that closes it is there
                end_column += 1
            return bare_template(Span(line=mark.line + 1, column=mark.column + 1, end_column=end_column), written)
    return None


def _tell_quotes(scene: _Scene) -> Finding | None:
    last = scene.last_on_line
    if last is None or last.style not in {'"', "'"} or "did not find expected" not in scene.problem:
        return None
    closing = scene.text[last.end.column - 1 : last.end.column]
    if closing != last.style or scene.column < last.end.column or scene.char in {"", "}", "]"}:
        return None
    if last.style == "'":
        hint = "inside single quotes write a quote twice, '', or use double quotes"
    elif "{{" in last.text and "}}" not in last.text:
        hint = "inside an expression use single quotes: \"{{ x['a'] }}\""
    else:
        hint = "put the whole value in quotes, and use single quotes inside double quotes"
    span = Span(line=scene.line + 1, column=last.end.column, end_column=last.end.column + 1)
    return codes.QUOTES_IN_QUOTES.at(span, "this quote ends the text, but the line goes on", hint)


def _tell_colon(scene: _Scene) -> Finding | None:
    if not scene.problem.startswith("mapping values are not allowed"):
        return None
    last = scene.last
    if last is not None and last.start.line < scene.line:
        return _tell_continued(scene, last)
    value = _value_on(scene.text)
    hint = f"put the whole value in quotes: {quoted(value)}" if value else "put the value in quotes"
    return codes.COLON_IN_TEXT.at(scene.span, "a colon with a space after it, inside a text without quotes", hint)


def _tell_colon_in_flow(scene: _Scene) -> Finding | None:
    """The parser takes no colon inside a text without quotes here: a time, or a url."""
    if "found unexpected ':'" not in scene.problem or scene.started is None:
        return None
    mark = scene.started
    found = re.compile(r"[^,\]}]*").match(scene.lines[mark.line], mark.column)
    written = found.group().rstrip() if found else ""
    span = Span(line=mark.line + 1, column=mark.column + 1, end_column=mark.column + 1 + len(written))
    message = "inside { } and [ ] a text with a colon needs quotes"
    return codes.COLON_IN_TEXT.at(span, message, f"write {quoted(written)}")


def _tell_continued(scene: _Scene, last: Scalar) -> Finding:
    first = last.text.split(" ")[0]
    span = Span(line=last.start.line + 1, column=last.start.column + 1)
    if lookalike := colon_hint(scene.lines[last.start.line].strip()):
        return codes.COLON_IN_TEXT.at(span, "no key begins here: there is no colon after it", lookalike)
    if re.match(r"[A-Za-z_][\w-]*:\S", first):
        key, _, value = first.partition(":")
        return codes.COLON_IN_TEXT.at(span, f"there is no space after the colon of {first}", f"write {key}: {value}")
    indent = len(scene.text) - len(scene.text.lstrip())
    span = Span(line=scene.line + 1, column=indent + 1, end_column=scene.column + 1)
    message = f"this line is indented deeper, so it goes on with the text that began in line {last.start.line + 1}"
    hint = "give it the indentation of the key that it stands beside"
    return codes.INDENTATION.at(span, message, hint)


def _value_on(line: str) -> str:
    found = re.match(r"\s*(?:- )*[{]?\s*[\w.-]+:\s+(.*?)\s*$", line)
    return found.group(1) if found and len(found.group(1)) <= 60 else ""


def _tell_tab(scene: _Scene) -> Finding | None:
    if scene.char != "\t" and "tab character" not in scene.problem:
        return None
    return codes.TAB.at(scene.span, "a tab cannot be used to indent", "use spaces, two for each level")


def _tell_special_start(scene: _Scene) -> Finding | None:
    if "cannot start any token" in scene.problem:
        char = scene.char
        if scene.text.startswith("```"):
            message = "this line is the fence of a code block in Markdown"
            return codes.SPECIAL_START.at(scene.span, message, "remove the line, and the one at the end of the block")
    elif scene.started is not None and re.search(r"scanning an? (alias|anchor|block scalar|tag)", scene.context):
        scene.line, scene.column = scene.started.line, scene.started.column
        scene.text = scene.lines[scene.line]
        char = scene.text[scene.column : scene.column + 1]
    else:
        return None
    written = scene.text[scene.column :].split(" #")[0].rstrip()
    written = re.split(r"[,\]}]", written)[0] if scene.flows and written.count("{") < written.count("}") else written
    span = Span(line=scene.line + 1, column=scene.column + 1, end_column=scene.column + 1 + len(written))
    shown = written if len(written) <= 60 else f"{char}…"
    return codes.SPECIAL_START.at(span, f"a value without quotes cannot begin with {char}", f"write {quoted(shown)}")


def _tell_quote_open(scene: _Scene) -> Finding | None:
    if "quoted scalar" not in scene.context or scene.started is None:
        return None
    span = Span(line=scene.started.line + 1, column=scene.started.column + 1, end_column=scene.started.column + 2)
    if "escape" in scene.problem:
        escape = scene.text[scene.column : scene.column + 2]
        hint = "inside double quotes write \\\\ for a backslash, or use single quotes"
        return codes.SYNTAX.at(scene.span, f"{escape} means nothing inside double quotes", hint)
    return codes.NOT_CLOSED.at(span, "the quote that opens here is never closed", "close it where the text ends")


_HASH_WORD = re.compile(r"[\s,}\]].*")
_CUT = re.compile(r"([\w-]+): ([^'\"{\[,][^,]*),")


def _tell_flow(scene: _Scene) -> Finding | None:
    if "while parsing a flow" not in scene.context or not scene.flows:
        return None
    started: Mark = scene.flows[-1].start_mark
    opening = scene.lines[started.line][started.column]
    if cut := _tell_cut(scene, started):
        return cut
    closing = "}" if opening == "{" else "]"
    last = scene.last_on_line
    if scene.char and last is not None and not last.style and last.start.line == started.line == scene.line:
        rest = scene.text[last.start.column :].rstrip().removesuffix(closing).rstrip()
        message = f"inside {opening} {closing} a text without quotes ends at {scene.char}"
        value = rest.split(",")[0]
        hint = f"put the value in quotes, such as {quoted(value)}"
        if is_in_curly_quotes(value):
            hint = f"{value[0]} and {value[-1]} are not the quotes of YAML: write {quoted(value[1:-1])}"
        return codes.NOT_CLOSED.at(scene.span, message, hint)
    span = Span(line=started.line + 1, column=started.column + 1, end_column=started.column + 2)
    hint = f"close it with {closing}, or separate the entries with commas"
    return codes.NOT_CLOSED.at(span, f"the {opening} that opens here is not closed", hint)


def _tell_comment_in_flow(scene: _Scene) -> Finding | None:
    """A `#` inside `{ }` that hides the closing bracket: `{color: #fff}`."""
    if "while parsing a flow" not in scene.context or not scene.flows:
        return None
    started: Mark = scene.flows[-1].start_mark
    line = scene.lines[started.line]
    found = re.compile(r" #(?=[^\s#!]).*").search(line, started.column)
    if found is None or not ({"}", "]"} & set(found.group())):
        return None
    column = found.start() + 2
    span = Span(line=started.line + 1, column=column, end_column=column + len(found.group()) - 1)
    message = f"everything from here on is a comment, also the bracket: {found.group()[1:41]}"
    written = _HASH_WORD.sub("", found.group()[1:])
    return codes.NOT_CLOSED.at(span, message, f"put the text in quotes, such as {quoted(written)}")


def _tell_cut(scene: _Scene, started: Mark) -> Finding | None:
    """A comma before the problem that has cut a value with a bracket or a quote in it."""
    cut = _CUT.search(scene.text, started.column if started.line == scene.line else 0, scene.column)
    if cut is None or not is_unbalanced(cut[2]):
        return None
    span = Span(line=scene.line + 1, column=cut.start(2) + 1, end_column=cut.end() + 1)
    message = f"the comma ends the value of `{cut[1]}`: inside {{ }} it separates entries"
    return codes.CUT_BY_COMMA.at(span, message, f'put the whole value in quotes: {cut[1]}: "…"')


def _tell_bracket_too_many(scene: _Scene) -> Finding | None:
    if scene.char not in {"}", "]"}:
        return None
    return codes.NOT_CLOSED.at(scene.span, f"this {scene.char} closes nothing", "remove it, or put the value in quotes")


def _tell_list_on_line(scene: _Scene) -> Finding | None:
    if "block sequence entries are not allowed" not in scene.problem:
        return None
    hint = "begin the list on the next line, or put the value in quotes"
    return codes.INDENTATION.at(scene.span, "a list with dashes cannot begin on the line of its key", hint)


def _tell_no_colon(scene: _Scene) -> Finding | None:
    if "could not find expected ':'" not in scene.problem or scene.started is None:
        return None
    line = scene.started.line
    text = scene.lines[line].strip()
    column = scene.started.column + 1
    span = Span(line=line + 1, column=column, end_column=column + len(text))
    hint = colon_hint(text) or "write key: value; a text over several lines must be indented deeper than its key"
    return codes.SYNTAX.at(span, "this line is neither `key: value` nor part of the text above", hint)


def _tell_indentation(scene: _Scene) -> Finding | None:
    expected = "expected key" in scene.problem or "'-' indicator" in scene.problem
    if not expected or not scene.blocks:
        return None
    mark = scene.started or scene.blocks[-1].start_mark
    last = scene.last_on_line
    if last is not None and scene.column > last.start.column:
        return codes.SYNTAX.at(
            scene.span, "the line goes on after its value has ended", "put the whole value in quotes"
        )
    what = "the list" if "'-'" in scene.problem else "the map"
    message = f"this line begins in column {scene.column + 1}, but {what} that began in line {mark.line + 1} has its "
    message += f"{'dashes' if what == 'the list' else 'keys'} in column {mark.column + 1}"
    lines = scene.lines[max(mark.line, scene.line - LINES_ABOVE_MAX) : scene.line]
    above = [found[1] for line in lines if (found := re.match("( *)- ", line))]
    if scene.char == "-" and scene.text[scene.column + 1 : scene.column + 2].strip():
        message, hint = "there is no space after this dash", "write a space between the dash and the entry"
    elif scene.char == "-" and above:
        message = f"this dash stands in column {scene.column + 1}, the one above in column {len(above[-1]) + 1}"
        hint = "give all dashes of a list the same column"
    elif scene.char == "-":
        hint = "indent the list deeper than the key that it belongs to"
    else:
        hint = "give it the same indentation"
    return codes.INDENTATION.at(scene.span, message, hint)


_EXPLANATIONS: tuple[Callable[[_Scene], Finding | None], ...] = (
    _tell_open_quote,
    _tell_template,
    _tell_quotes,
    _tell_colon,
    _tell_colon_in_flow,
    _tell_tab,
    _tell_special_start,
    _tell_quote_open,
    _tell_comment_in_flow,
    _tell_flow,
    _tell_bracket_too_many,
    _tell_list_on_line,
    _tell_no_colon,
    _tell_indentation,
)
