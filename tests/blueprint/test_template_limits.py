"""What a text may not do, and what it may cost."""

import pytest

from tests.blueprint.evaluating import render, render_failure, template_fault


@pytest.mark.parametrize(
    "source",
    [
        "x {{ ''.__class__.__mro__[1].__subclasses__() }}",
        "x {{ ''['__class__'].__mro__ }}",
        "x {{ self.__init__ }}",
        "x {{ cycler.__init__.__globals__ }}",
        "x {{ lipsum() }}",
        "x {{ namespace(a=1) }}",
        "x {{ 'a' | attr('b') }}",
        "x {{ '%s' | format(1) }}",
        "x {{ 'a' | center(100000000) }}",
        "x {{ 'a'.format(1) }}",
        "x {{ 'a'.ljust(100000000) }}",
        "x {{ input.items() }}",
        "x {{ _private }}",
        "x {{ (1, 2) }}",
        "x {{ len(*x) }}",
        "x {{ len(x=1) }}",
        "x {{ x | map('upper') }}",
        "x {{ x is mapping }}",
        "x {{ x[::2] }}",
        "x {{ +x }}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% call m() %}{% endcall %}",
        "{% filter upper %}{% endfilter %}",
        "{% with %}{% endwith %}",
        "{% for x in y recursive %}{% endfor %}",
        "{% for x.y in z %}{% endfor %}",
        "{% for _x in z %}{% endfor %}",
        "{% do x %}",
        "{% autoescape true %}{% endautoescape %}",
        "x {{ 99999999999999999999 }}",
        "x {{ 1e999 }}",
        "x {{ " + "9" * 5_000 + " }}",
        "x {{ '\ud800' | upper }}{{ '\\ud800' }}{{ nope() }}",
    ],
)
def test_nothing_but_plain_texts_is_accepted(source: str) -> None:
    assert template_fault(source).code.split(".")[0] in {"template", "expression"}


@pytest.mark.parametrize(
    "source",
    [
        "x" * 70_000 + "{{ a }}{# #}",
        "x {{ " + "(" * 60 + "a" + ")" * 60 + " }}",
        "x {{ " + "not " * 2_000 + "a }}",
        "x {{ " + "-" * 2_000 + "1 }}",
        "x {{ " + "[" * 3_000 + " }}",
        "{% if a %}" * 400 + "{% endif %}" * 400,
        "x {{ a | " + " | ".join(["upper"] * 300) + " }}",
        "x {{ a" + ".b" * 300 + " | upper }}",
        "{# #}" + "{{ a }}" * 5_000,
    ],
)
def test_a_text_that_is_too_large_or_too_deep_is_refused_at_load(source: str) -> None:
    assert template_fault(source).code in {"template.limit", "expression.too_complex"}


def test_constants_are_not_folded_at_load() -> None:
    assert render_failure("x {{ 'a' * 300000000 }}").code == "TEMPLATE_ERROR"
    assert render_failure("x {{ 9 ** 60 ** 60 }}").code == "TEMPLATE_ERROR"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(1000) %}{{ data.big }}{% endfor %}",
        "{{ data.big }}{{ data.big }}{{ data.big }}{{ data.big }}{{ data.big }}",
        "{% for a in range(100000) if a < 0 %}{% endfor %}" * 30,
        "x {{ data.big + data.big }}",
        "x {{ range(1000000) | length }}",
    ],
)
def test_loops_and_output_of_a_text_are_bounded(source: str) -> None:
    assert render_failure(source).code == "LIMIT_EXCEEDED"


def test_all_texts_of_a_value_share_one_budget() -> None:
    costly = "{{ len([i for i in range(90000) if i > 5]) }}"

    assert render(costly) == 89_994
    assert render_failure([costly] * 10).code == "LIMIT_EXCEEDED"


def test_a_value_that_repeats_large_data_is_refused() -> None:
    assert render_failure(["{{ data }}"] * 1_000).code == "LIMIT_EXCEEDED"
    assert len(render(["{{ data }}"] * 10)) == 10
