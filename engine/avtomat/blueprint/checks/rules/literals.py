"""The rules about places where no template may stand, and about texts that should have been one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from avtomat.blueprint.checks.rules.names import ALL_NAMES
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.spec import entries_of, part_of
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence
from avtomat.blueprint.yaml.scalars import quoted

_OF_JOB = (
    "blueprint",
    "version",
    "title",
    "description",
    "owner",
    "start",
    "policies",
    "retention",
    "unhandled",
    "schedule",
)
_OF_STATE = frozenset({"task", "run", "as", "choices", "remind", "retry", "worker", "title", "description"})
_WHY = {
    "task": "kinds of task are literal, so that a checker can follow them: use transitions to choose between states",
    "run": "names of blueprints are literal: use transitions to choose between states",
    "worker": "what is asked of workers is literal, because the queue is chosen by it; only `sticky` may be a template",
    "retry": "policies are literal",
    "policies": "policies are literal",
    "schedule": "it is literal; in the job `job.labels.scheduled_for` is the time for which it was made",
}


def literal_places_hold_no_templates(subject: Subject) -> Iterator[Finding]:
    """Names, policies, choices and what is asked of workers hold no templates."""
    blueprint = subject.blueprint
    for key in _OF_JOB:
        yield from _literal(key, blueprint.part(key))
    for key, value in entries_of(blueprint.defaults):
        if key != "timeout":
            yield from _literal(key, value)
    for state in subject.states:
        for key, value in state.body.items.items():
            if key in _OF_STATE:
                yield from _literal(key, value)
            elif key == "compensate":
                for part in ("task", "worker", "retry"):
                    yield from _literal(part, part_of(value, part))


_BEGINNING = re.compile(r"\s*(data|input|outputs)\.([A-Za-z_]\w*)")


def texts_are_meant_as_texts(subject: Subject) -> Iterator[Finding]:
    """`set: {n: data.n + 1}` sets a text; told only where such a variable, input or output is declared."""
    for reading in subject.readings.all:
        for scalar in () if reading.site.is_guard else texts_of(reading.site.node):
            if "." in scalar.text and "{{" not in scalar.text and _is_expression(subject, scalar.text):
                message = f"{scalar.text[:40]} is a text here, word for word"
                hint = "if its value is meant write " + quoted("{{ " + scalar.text + " }}")
                yield codes.EXPRESSION_AS_TEXT.at(scalar.span, message, hint)


_NAMES = "input|data|outputs|output|item|job|config|secrets|error|status|index"
_NO_TEMPLATE = r"(?:(?!\{\{).)*?"
_FOREIGN = re.compile(
    rf"""\s*\$\{{\{{(?P<actions>(?:(?!\}}\}}).)*)\}}\}}\s*
    |.*\$\{{\{{(?P<secret>\s*secrets\.\w+\s*)\}}\}}.*
    |\s*=\{{\{{(?P<equals>(?:(?!\}}\}}).)*)\}}\}}\s*
    |.*?<%=?(?P<percent>(?:(?!%>).)*)%>.*
    |\s*[$\#]\{{(?P<dollar>[^{{}}]+)\}}\s*
    |.*[$\#]\{{(?P<known>\s*(?:{_NAMES})\.[^{{}}]+)\}}.*
    |{_NO_TEMPLATE}%?(?<!\{{)\{{(?P<single>\s*(?:{_NAMES})\.[^{{}}]+)\}}(?!\}}).*
    |{_NO_TEMPLATE}\[\[(?P<square>\s*(?:{_NAMES})\.[^\[\]]+)\]\].*
    |\s*\$\((?P<round>[\w.\-]+)\)\s*
    |\s*\$\.(?P<path>[A-Za-z_][\w.]*)\s*""",
    re.VERBOSE | re.DOTALL,
)
_OF_THE_INPUT = re.compile(r"(?:inputs|params|parameters|workflow\.input|\$\.?)\.?(?=[A-Za-z_])")
_OPENING = re.compile(r"(?:[$=]\{\{|<%=?|[$#%]?\{|\$\(|\$\.|\[\[)\Z")
_CLOSING_CHARS = {"dollar": 1, "known": 1, "single": 1, "round": 1, "path": 0}
"""How long what closes a form is; 2 where it is not listed."""
_SIGNS = re.compile(r"\$|<%|[=#]\{|\[\[|(?<!\{)\{(?![{%#])")
_FOREIGN_CHARS_MAX = 1_000


def templates_are_our_own(subject: Subject) -> Iterator[Finding]:
    """A value such as `${{ x }}` is a template in another system, and a text here."""
    for reading in subject.readings.all:
        for scalar in () if reading.site.is_guard else texts_of(reading.site.node):
            text = scalar.text
            if len(text) <= _FOREIGN_CHARS_MAX and _SIGNS.search(text):
                yield from _foreign(scalar)


def _foreign(scalar: Scalar) -> Iterator[Finding]:
    found = _FOREIGN.fullmatch(scalar.text)
    if found is None or not isinstance(scalar.value, str):
        return
    form = found.lastgroup or ""
    start, end = found.span(form)
    inside = found[form].strip()
    ours = f"input.{inside}" if form == "path" else _OF_THE_INPUT.sub("input.", inside, count=1)
    before = _OPENING.sub("", scalar.text[:start])
    after = scalar.text[end + _CLOSING_CHARS.get(form, 2) :]
    hint = 'values are written "{{ input.name }}"'
    parsed = parse_expression(ours, allow_secrets=True)
    is_known = isinstance(parsed, Expression) and {use.path[0] for use in parsed.uses} <= {*ALL_NAMES}
    if form in {"single", "square"} and not is_known:
        return
    if is_known:
        hint = f"write {quoted(f'{before}{{{{ {ours} }}}}{after}')}"
    shown = scalar.text.strip()
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    what = "a text: a template has two braces" if form == "single" else "the template of another system"
    yield codes.FOREIGN_TEMPLATE.at(scalar.span, f"{shown} is {what}", hint)


def _is_expression(subject: Subject, text: str) -> bool:
    found = _BEGINNING.match(text)
    if found is None or not isinstance(parse_expression(text), Expression):
        return False
    blueprint = subject.blueprint
    declared = {
        "data": blueprint.part("data"),
        "input": part_of(blueprint.part("input"), "properties"),
        "outputs": blueprint.part("states"),
    }
    return part_of(declared[found[1]], found[2]) is not None


def _literal(key: str, node: Node | None) -> Iterator[Finding]:
    """What must be literal here; of `worker` the part `sticky` need not."""
    parts = [value for name, value in entries_of(node) if name != "sticky"] if key == "worker" else [node]
    for scalar in (scalar for part in parts for scalar in texts_of(part)):
        if "{{" in scalar.text:
            span = scalar.span
            hint = _WHY.get(key, "it is literal: write the text itself")
            yield codes.LITERAL_PLACE.at(span, f"no template may stand in `{key}`", hint)


def texts_of(node: Node | None) -> Iterator[Scalar]:
    """All single values in a value."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Mapping | Sequence):
        for inner in node.items.values() if isinstance(node, Mapping) else node.items:
            yield from texts_of(inner)
