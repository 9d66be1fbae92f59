"""Read a text with `{{ … }}` and `{% … %}`: Jinja's syntax, this language's values.

Jinja parses and does nothing else: no template is ever turned into Python code, so there is no sandbox to leave, and no
constant folding that could be made to explode. `text_reader` compiles what is on its list to the same closures as
expressions, which pay from the same budget. The values of a render are data and are never read as templates again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment as JinjaEnvironment
from jinja2 import TemplateSyntaxError
from jinja2.lexer import TokenStream

from avtomat.blueprint.expression import parse_expression
from avtomat.blueprint.faults import Fault, Read
from avtomat.blueprint.lexer import scan, unescape
from avtomat.blueprint.limits import DEPTH_MAX, TEMPLATE_CHARS_MAX, Frame
from avtomat.blueprint.scope import TooComplexError
from avtomat.blueprint.text_reader import Output, Part, TextReader

_OPENING = re.compile(r"\{\{-?|\{%[-+]?")
_OUR_WORDS = {
    "'end of print statement'": "}}",
    "'begin of print statement'": "{{",
    "'end of statement block'": "%}",
    "'begin of statement block'": "{%",
    "end of template": "the end of the text",
}
_UNCLOSED = re.compile(r"needs to be closed is '(\w+)'")
_UNKNOWN_TAG = re.compile(r"unknown tag '(\w+)'")
_MIDDLES_AND_ENDS = frozenset({"endif", "endfor", "else", "elif"})
_PARSER_WORDS = re.compile("|".join(map(re.escape, _OUR_WORDS)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """A checked text with templates in it."""

    source: str
    uses: tuple[Read, ...]
    part: Part

    def write(self, frame: Frame) -> tuple[str, Sequence[tuple[int, str]]]:
        """Return the text, and the offset and name of each secret that is missing in it. Raises EvaluationError."""
        output = Output(frame)
        self.part(frame, output)
        return "".join(output.parts), output.secrets


def parse_jinja(source: str, *, allow_secrets: bool) -> Text | tuple[Fault, ...]:
    """Return the checked text, or what is wrong with it."""
    if len(source) > TEMPLATE_CHARS_MAX:
        return (_too_complex(f"a text with templates may have at most {TEMPLATE_CHARS_MAX:,} characters"),)
    reader = TextReader(allow_secrets=allow_secrets)
    try:
        part = reader.body(_SYNTAX.parse(source).body, 0)
    except TemplateSyntaxError as problem:
        return (_syntax_fault(source, problem),)
    except TooComplexError as problem:
        return (_too_complex(f"the text is too complex: {problem}"),)
    except (RecursionError, ValueError, SyntaxError, MemoryError, OverflowError):
        return (_too_complex("the text is nested too deep, or holds a number that is too long"),)
    if reader.scope.faults:
        return tuple(sorted(reader.scope.faults, key=lambda fault: fault.offset))
    return Text(source=source, uses=tuple(reader.scope.reads), part=part)


def _too_complex(message: str) -> Fault:
    return Fault(code="template.limit", message=message, offset=0, hint="let a task write long texts")


def _syntax_fault(source: str, problem: TemplateSyntaxError) -> Fault:
    """Prefer the words for the usual accidents to those of the parser."""
    for opening in _OPENING.finditer(source):
        scanned = scan(source, opening.end(), until_close=True)
        faults = [fault for fault in scanned.faults if fault.hint]
        if faults and opening.group().startswith("{{"):
            return faults[0]
        if opening.group().startswith("{{") and scanned.close is None:
            hint = "add the closing }}; for braces as such write {% raw %}{{{% endraw %}"
            return Fault(
                code="template.syntax", message="`{{` is not closed", offset=opening.start(), length=2, hint=hint
            )
        if fault := _fault_inside(source, opening, scanned.close):
            return fault
    offset = min(max(problem.lineno, 0), max(len(source) - 1, 0))
    message, hint = _in_our_words(problem.message or "this is not understood")
    return Fault(code="template.syntax", message=message, offset=offset, hint=hint)


def not_closed(offset: int) -> Fault:
    """A `{{` without its `}}`."""
    hint = "add the closing }}; for braces as such write {% raw %}{{{% endraw %}"
    return Fault(code="template.syntax", message="`{{` is not closed", offset=offset, length=2, hint=hint)


def _fault_inside(source: str, opening: re.Match[str], close: int | None) -> Fault | None:
    """What an expression's own parser has to say about `{{ … }}`; texts know a little more than it, such as tests."""
    if close is None or not opening.group().startswith("{{"):
        return None
    start = opening.end()
    parsed = parse_expression(source[start:close].removesuffix("-"))
    faults = parsed if isinstance(parsed, list) else []
    found = next((fault for fault in faults if fault.code == "expression.syntax"), None)
    return None if found is None else replace(found, code="template.syntax", offset=found.offset + start)


def _in_our_words(message: str) -> tuple[str, str]:
    unclosed = _UNCLOSED.search(message)
    if unclosed:
        return f"{{% {unclosed.group(1)} %}} is not closed", f"add {{% end{unclosed.group(1)} %}}"
    unknown = _UNKNOWN_TAG.search(message)
    if unknown and unknown.group(1) in _MIDDLES_AND_ENDS:
        return f"{{% {unknown.group(1)} %}} belongs to nothing that is open", "add what it belongs to, or remove it"
    if unknown:
        return (
            f"there is no {{% {unknown.group(1)} %}}",
            "texts have {% if %}, {% elif %}, {% else %}, {% for %} and {% raw %}",
        )
    hint = "a literal {{ or {% is written {% raw %}{{{% endraw %}"
    return _PARSER_WORDS.sub(lambda found: _OUR_WORDS[found.group()], message), hint


class _Syntax(JinjaEnvironment):
    """Jinja's parser, with the offset of each token in place of its line, so that findings can be placed."""

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        tokens = _with_offsets(source, self.lexer.tokeniter(source, name, filename, state))
        return TokenStream(self.lexer.wrap(tokens, name, filename), name, filename)


_SYNTAX = _Syntax(optimized=False, keep_trailing_newline=True, cache_size=0)


def _with_offsets(source: str, tokens: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    offset, depth = 0, 0
    try:
        for _line, kind, text in tokens:
            offset = max(source.find(text, offset), offset)
            depth += (text in {"(", "[", "{"}) - (text in {")", "]", "}"}) if kind == "operator" else 0
            if depth > DEPTH_MAX:
                raise TooComplexError(f"brackets are nested more than {DEPTH_MAX} deep")
            yield offset, kind, _escaped(text) if kind == "string" else text
            offset += len(text)
    except TemplateSyntaxError as problem:
        problem.lineno = offset
        raise


def _escaped(quoted: str) -> str:
    """Write a literal in the only escapes that Jinja reads without a warning."""
    return f"'{unescape(quoted).encode('unicode_escape').decode()}'" if "\\" in quoted else quoted
