"""Jinja2 and simpleeval are asked the same: what the languages share has the same value in all of them.

Where one of them differs on purpose, the difference stands in `DIFFERENCES`, and on the page about expressions.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from simpleeval import EvalWithCompoundTypes

from avtomat.core.formula import Failure
from tests.blueprint.evaluating import evaluate, render

NAMES: dict[str, Any] = {
    "n": 3, "z": 0, "q": 2.5, "s": "tx", "t": "", "yes": True, "no": False, "l": [3, 1, 2], "m": {"k": 5, "f": "v"},
}  # fmt: skip
JINJA = SandboxedEnvironment(keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False)
CONSTANTS = {"true": True, "false": False, "null": None}


def by_jinja(source: str) -> Any:
    return JINJA.compile_expression(source, undefined_to_none=False)(**NAMES, **CONSTANTS)


def by_simpleeval(source: str) -> Any:
    functions = {"len": len, "round": round, "abs": abs, "min": min, "max": max}
    return EvalWithCompoundTypes(names={**NAMES, **CONSTANTS}, functions=functions).eval(source)


WITNESSES = {"jinja": by_jinja, "simpleeval": by_simpleeval}
SHARED = """
1 + 2 * 3 | 7 // 2 | 7 % 3 | -7 // 2 | -7 % 3 | 7 / 2 | (1 + 2) * 3 | 2 - 3 - 4 | 2 ** 10 | -n * 2 | - - n | n - -n
1 < 2 < 3 | 1 < 3 < 2 | n == 3 and s == 'tx' | not n == 4 | not z or no | z or 5 | s and n | t or 'none' | n >= 3 != no
s + 'a' | 'a' + 'b' + s | 'x' in s | 'k' in m | 3 in l | 4 not in l | not 4 in l | [1, 2] + l | {'a': n}['a'] | s[0]
l[0] | l[-1] | l[1:] | l[:2] | s[0:1] | m['k'] | m.k | [n, [s]] | {'a': [1, {'b': n}]} | l[n - 2] | {} | []
'a' if n > 2 else 'b' | 1 if no else 2 if no else 3 | (1 if yes else 2) + 1 | q * 2 | 1.5 + 1 | 1e3 | 0.1 + 0.2
yes and no or yes | not yes and no | n > 2 and l[0] == 3 | true | false | null == null | n * (q - 1) // 1 | 'it' < 'iu'
"""


@pytest.mark.parametrize("witness", WITNESSES.values(), ids=WITNESSES)
@pytest.mark.parametrize("source", [each for line in SHARED.strip().splitlines() for each in line.split(" | ")])
def test_what_is_shared_has_the_value_that_the_witnesses_give(source: str, witness: Any) -> None:
    ours, theirs = evaluate(source, **NAMES), witness(source)

    assert ours == theirs
    assert type(ours) is type(theirs)


REFUSES = object()
DIFFERENCES: list[tuple[str, Any, dict[str, Any]]] = [
    ("2 ** n ** 2", 512, {"jinja": 64, "simpleeval": 512}),
    ("-n ** 2", -9, {"jinja": 9, "simpleeval": -9}),
    ("1 == true", False, {"jinja": True, "simpleeval": True}),
    ("[1] == [true]", False, {"jinja": True, "simpleeval": True}),
    ("1 in [true]", False, {"jinja": True, "simpleeval": True}),
    ("yes + 1", REFUSES, {"jinja": 2, "simpleeval": 2}),
    ("s * 2", REFUSES, {"jinja": "txtx", "simpleeval": "txtx"}),
    ("'%s' % n", REFUSES, {"jinja": "3", "simpleeval": "3"}),
    ("9223372036854775807 + 1", REFUSES, {"jinja": 2**63, "simpleeval": 2**63}),
]


@pytest.mark.parametrize(("source", "ours", "theirs"), DIFFERENCES, ids=[each[0] for each in DIFFERENCES])
def test_a_difference_from_the_witnesses_is_meant(source: str, ours: Any, theirs: dict[str, Any]) -> None:
    found = evaluate(source, **NAMES)

    assert isinstance(found, Failure) if ours is REFUSES else found == ours
    for name, value in theirs.items():
        assert WITNESSES[name](source) == value


def joined(*parts: Any) -> Any:
    return st.tuples(*(st.just(each) if isinstance(each, str) else each for each in parts)).map("".join)


numbers = st.sampled_from(["n", "z", "q", "l[0]", "m.k", "m['k']", "2", "7", "1.5", "10"])
numeric = st.recursive(
    numbers,
    lambda inner: (
        joined(inner, st.sampled_from([" + ", " - ", " * ", " / ", " // ", " % "]), inner)
        | joined("(", inner, ")")
        | joined("-", numbers)
        | joined("(", inner, " if n > 2 else ", inner, ")")
    ),
    max_leaves=8,
)
texts = st.recursive(
    st.sampled_from(["s", "t", "m.f", "'a'", '"b"']), lambda inner: joined(inner, " + ", inner), max_leaves=3
)
conditions = st.recursive(
    joined(numeric, st.sampled_from([" == ", " != ", " < ", " <= ", " > ", " >= "]), numeric)
    | joined(texts, st.sampled_from([" == ", " in ", " not in ", " < "]), texts)
    | joined(numeric, " < ", numeric, " <= ", numeric)
    | st.sampled_from(["yes", "no"]),
    lambda inner: (
        joined(inner, st.sampled_from([" and ", " or "]), inner) | joined("not ", inner) | joined("(", inner, ")")
    ),
    max_leaves=5,
)
lists = joined("[", numeric, ", ", texts, ", ", conditions, "]")


@given(numeric | texts | conditions | lists)
def test_an_expression_of_what_is_shared_has_the_same_value_everywhere(source: str) -> None:
    ours = evaluate(source, **NAMES)
    assume(not isinstance(ours, Failure))  # division by zero, for one

    for witness in WITNESSES.values():
        theirs = witness(source)
        assert ours == theirs
        assert type(ours) is type(theirs)


Both = tuple[str, str]
"""How a text is written here, and for Jinja, which keeps the lines of tags."""


def same(text: str) -> Both:
    return text, text


plain = st.sampled_from(
    ["a {{ n }} b\n", "\n", "  {{ s }}\n", "{{ l[0] + n }}, {{ s | upper }}{# c #}\n", "x {% if yes %}y{% endif %} z\n",
     "{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}\n", "a {{- n -}}  b\n",
     "{% raw %}{{ x }}{% endraw %}\n", "{{ 'b' if n else '}}' }}\n", "a\n{%- if yes %}\nb\n{%- endif %}\nc\n",
     "a {# {{ n }} #}b\n",
     "x\n  {%- for x in l if x > 1 %} {{ loop.index }}/{{ loop.length }}{% else %}no{% endfor %}\n"]
).map(same)  # fmt: skip
comments = st.sampled_from(["{# c #}", "  {# {% if %} #} ", "{# a\n b #}"]).map(lambda tag: (f"{tag}\n", ""))


def block(parts: tuple[str, str, Both, str, Both]) -> Both:
    indent, head, body, other, more = parts
    word = head.split()[1]
    lines = [(f"{indent}{head} \n", head), body, *([(f"{other}\n", other), more] if other else [])]
    lines.append((f"{indent}{{% end{word} %}}\n", f"{{% end{word} %}}"))
    return "".join(ours for ours, _ in lines), "".join(theirs for _, theirs in lines)


def lines_of(inner: Any) -> Any:
    several = st.lists(inner, max_size=3).map(lambda each: ("".join(a for a, _ in each), "".join(b for _, b in each)))
    heads = st.sampled_from(["{% if n > 2 %}", "{% if no %}", "{% for x in l %}", "{% for x in l if x > 5 %}"])
    return several | st.tuples(
        st.sampled_from(["", "  "]), heads, inner, st.sampled_from(["", "{% else %}"]), inner
    ).map(block)


@given(st.recursive(plain | comments, lines_of, max_leaves=8))
def test_a_text_is_written_as_jinja_writes_it_but_for_the_lines_of_tags(both: Both) -> None:
    ours, theirs = both

    assert render(f"{ours}.", **NAMES) == JINJA.from_string(f"{theirs}.").render(**NAMES)


@given(conditions, numeric, texts)
def test_conditions_and_values_in_a_text_are_those_of_jinja(condition: str, number: str, text: str) -> None:
    found = evaluate(f"[{number}, {condition}]", **NAMES)
    assume(not isinstance(found, Failure))
    assume(found[0] == 0 or 1e-3 < abs(found[0]) < 1e15)  # JSON writes exponents in its own way
    source = (
        f"{{% if {condition} %}}{{{{ {text} }}}}{{% elif {number} > 1 %}}{{{{ {number} }}}}{{% else %}}-{{% endif %}}"
    )

    assert render(source, **NAMES) == JINJA.from_string(source).render(**NAMES)
