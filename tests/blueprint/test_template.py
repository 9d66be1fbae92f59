"""Values whose texts are templates."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.blueprint.language.template import CompiledTemplate, compile_value, parse_text
from avtomat.core.formula import Failure, Rendered, SecretRef
from tests.blueprint.evaluating import compiled, environment, render, render_failure, template_fault


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ input.total }}", 1200),
        ("  {{ input.total }}\n", 1200),
        ("{{- input.total -}}", 1200),
        ("{{ input.none }}", None),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
        ("{{ '}}' }}", "}}"),
        ("{{ input.total }} ", 1200),
        ("{{ now }}", "2026-01-31T23:00:00.000Z"),
        ("{{ 'a' }}{{ 'b' }}", "ab"),
        ("plain", "plain"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("1e5", "1e5"),
        ("", ""),
    ],
)
def test_a_lone_expression_keeps_its_type_and_other_texts_are_texts(source: str, value: Any) -> None:
    found = render(source)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Order {{ input.total }} for {{ input.name }}.", "Order 1200 for Ada."),
        ("{{ input.price }} {{ input.flag }} {{ 1.0 }} {{ 1e-7 }}", "9.5 true 1.0 1e-7"),
        ("{% if input.total > 1000 %}big{% else %}small{% endif %}", "big"),
        ("{% if false %}a{% elif input.flag %}b{% endif %}", "b"),
        (
            "{% for i in input.items %}{{ loop.index }}:{{ i.sku }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1:b, 2:a",
        ),
        ("{% for i in input.items if i.ok %}{{ loop.length }}{{ i.sku }}{% endfor %}", "1b"),
        ("{% for i in [] %}x{% else %}none{% endfor %}", "none"),
        ("{% for a, b in zip([1], [2]) %}{{ a }}{{ b }}{% endfor %}", "12"),
        ("{# note #}x{% raw %}{{ y }}{% endraw %}", "x{{ y }}"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("x {{ input.missing | default('?') }}", "x ?"),
        ("x {{ has(input.missing) }} {{ input.none == null }} {{ not has(q) }}", "x false true true"),
        ("x {{ input.tags | join(', ') | upper }}", "x X, Y"),
        ("x {{ input.tags | to_json }}", 'x ["x","y"]'),
        ("x {{ 'a' if input.flag else 'b' }} {{ 'n' + str(1) + str(true) }}", "x a n1true"),
        ("x {{ input.from }} {{ input['größe'] }} {{ input.größe }}", "x home 42 42"),
        ("x {{ matches(input.name, '^A\\w+$') }}", "x true"),
        ("x {{ now | format_time('%Y-%m-%d') }}", "x 2026-01-31"),
        ("line\n{{ input.name }}\n", "line\nAda\n"),
        ("x {{ input.items[0].sku }} {{ input.tags[-1] }} {{ input.tags[:1] | join }}", "x b y x"),
        (
            "x {{ [1, 2] + [3] == [1, 2, 3] }} {{ {'a': 1}.a }} {{ -1 + 2 ** 3 }} {{ 1 < 2 and not false }}",
            "x true 1 7 true",
        ),
    ],
)
def test_a_text_is_jinja_with_the_values_of_the_language(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x {{ input.tags }}", "a list cannot stand in a text: write to_json(…)"),
        ("x {{ data.map }}", "a map cannot stand in a text: write to_json(…)"),
        ("x {{ input.none }}", "null cannot stand in a text: write to_json(…)"),
        ("x {{ input.nme }}", "did you mean 'name'?"),
        ("x {{ input.nme | upper }}", "did you mean 'name'?"),
        ("x {% for a in input %}{% endfor %}", "entries(…)"),
    ],
)
def test_what_cannot_stand_in_a_text_is_a_template_error(source: str, message: str) -> None:
    found = render_failure(source)

    assert found.code == "TEMPLATE_ERROR"
    assert message in found.message


def test_maps_and_lists_are_followed_and_keys_keep_their_order() -> None:
    value = {"z": "{{ input.total }}", "a": [1, None, {"b": "n={{ data.n }}"}], "m": 1.0}

    found = render(value)

    assert found == {"z": 1200, "a": [1, None, {"b": "n=0"}], "m": 1.0}
    assert list(found) == ["z", "a", "m"]


def test_omit_leaves_out_its_key_or_item_and_nothing_else() -> None:
    value = {"a": "{{ omit }}", "b": ["{{ omit }}", "{{ default(data.x, omit) }}", 1], "c": {"d": "{{ omit }}"}}

    assert render(value) == {"b": [1], "c": {}}


def test_omit_as_the_whole_value_is_an_error() -> None:
    assert "nothing here that could be left out" in render_failure("{{ omit }}").message


def test_a_value_without_templates_is_given_back_as_it_is() -> None:
    value = {"a": [1, {"b": None}]}

    assert render(value) is value


def test_what_a_value_brings_is_never_read_as_a_template_again() -> None:
    assert render({"a": "{{ evil }}", "b": "x {{ evil }}"}, evil="{{ input.total }}") == {
        "a": "{{ input.total }}",
        "b": "x {{ input.total }}",
    }


def test_identifiers_differ_within_a_value_and_are_the_same_on_replay() -> None:
    value = {"a": "{{ uuid() }}", "b": "x {{ uuid() }}"}

    first = render(value)

    assert first == render(value)
    assert first["a"] != first["b"][2:]


def test_a_secret_is_left_out_and_its_place_is_told() -> None:
    value = {
        "key": "{{ secrets.k }}",
        "list": ["{{ omit }}", "Bearer {{ secrets.t }} of {{ input.name }}{{ secrets.u }}"],
        "a/b~": "{% if input.flag %}é{{ secrets.v }}{% endif %}",
    }

    rendered = compiled(value, allow_secrets=True).render(environment())

    assert rendered == Rendered(
        value={"key": "", "list": ["Bearer  of Ada"], "a/b~": "é"},
        secrets=(
            SecretRef(pointer="/key", offset=0, name="k"),
            SecretRef(pointer="/list/0", offset=7, name="t"),
            SecretRef(pointer="/list/0", offset=14, name="u"),
            SecretRef(pointer="/a~1b~0", offset=1, name="v"),
        ),
    )


@pytest.mark.parametrize(
    "source",
    [
        "x {{ secrets.k | upper }}",
        "{% if secrets.k %}x{% endif %}",
        "x {{ secrets.k + 'a' }}",
        "{% for s in secrets %}x{% endfor %}",
        "x {{ secrets }}",
        "x {{ secrets.a.b }}",
        "x {{ secrets['k'] }}",
        "x {{ has(secrets.k) }}",
    ],
)
def test_a_secret_in_a_text_is_not_tested_or_filtered(source: str) -> None:
    assert "a secret may be written out" in template_fault(source, allow_secrets=True).message


def test_secrets_are_uses_but_no_reads() -> None:
    template = compiled({"a": "{{ secrets.k }}", "b": "x {{ input.name }}"}, allow_secrets=True)

    assert template.reads == {("input", "name")}
    assert [(use.path, use.pointer, use.offset) for use in template.uses] == [
        (("secrets", "k"), "/a", 3),
        (("input", "name"), "/b", 5),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "x {{ input.name }} {{ data.n }}",
        "x {{ input.name }}{# c #} {{ data.n }}",
        "x\n{% if input.name == 'a' %}{% endif %}\n  {{ data.n }}",
        "größe {{ input.name | upper }} {{ len(data.n) }}",
        "{%- for x in input.name -%}  \n {{- x }} {%- endfor %} {{ data.n }}",
        "{% raw %}{{ no }}{% endraw %}{{ input.name }} {{ '\\d' }}{{ data.n }}",
    ],
)
def test_uses_in_a_text_stand_where_they_are_written(source: str) -> None:
    template = parse_text(source)

    assert isinstance(template, CompiledTemplate)
    assert {(use.path, use.offset) for use in template.uses} == {
        (("input", "name"), source.index("input.name")),
        (("data", "n"), source.index("data.n")),
    }


@pytest.mark.parametrize(
    ("source", "offset", "text"),
    [
        ("ab {{ x && y }}", 8, "write and"),
        ("ab {{ x = y }}", 8, "write =="),
        ("ab {{ lenght(x) }}", 6, "len(x)"),
        ("ab {{ x.upper() }}", 8, "upper(text)"),
        ("ab {{ x | uper }}", 10, "upper(text)"),
        ("{{ x", 0, "add the closing }}"),
        ("{{ x && y }}", 5, "write and"),
        ("{{ (x }} b", 6, "`)` is expected first"),
        ("ab {% if x %}", 11, "add {% endif %}"),
        ("ab {% switch x %}", 6, "there is no {% switch %}"),
        ("ab {% set x = 1 %}", 6, "{% if %}"),
        ("ab {{ x is odd }}", 8, "write a comparison"),
        ("ab {{ 'a' if x }}", 6, "this if condition else that"),
        ("ab {{ x.length }}", 8, "len(x)"),
        ("color {#fff} text #}", 6, "{% raw %}{#{% endraw %}"),
        ("color {#fff}", 6, "{% raw %}{#{% endraw %}"),
        ("a {% if x", 2, "add the closing %}"),
        ("{% raw %}a", 0, "add {% endraw %}"),
        ("{% if x %}a{% else if y %}b{% endif %}", 19, "write {% elif … %}"),
        ("{% if x %}a{% elseif y %}b{% endif %}", 14, "write {% elif %}"),
        ("{% endfor %}", 3, "belongs to nothing that is open"),
        ("{% if %}a{% endif %}", 5, "there is no expression here"),
        ("{% for x in y %}{{ loop.previtem }}{% endfor %}", 24, "index, index0"),
        ("{% autoescape false %}x{% endautoescape %}", 3, "{% autoescape %} cannot stand in a text"),
    ],
)
def test_a_fault_in_a_text_stands_where_it_is_written(source: str, offset: int, text: str) -> None:
    found = template_fault(source)

    assert found.offset == offset
    assert text in f"{found.message} {found.hint}"


def test_all_faults_of_a_text_are_found_in_one_go() -> None:
    found = compile_value("{% if a is defined %}{{ b && c }}{% endif %}{{ uper(d) }}{% set e = 1 %}")

    assert isinstance(found, list)
    assert [fault.offset for _pointer, fault in found] == [8, 26, 47, 60]


def test_faults_of_a_value_come_all_at_once_each_with_its_pointer() -> None:
    found = compile_value({"a": "{{ x && y }}", "b": [{"c/d": "{{ nope() }}"}], "{{ k }}": 1})

    assert isinstance(found, list)
    assert [(pointer, fault.code) for pointer, fault in found] == [
        ("/a", "expression.syntax"),
        ("/b/0/c~1d", "expression.unknown_function"),
        ("/{{ k }}", "template.key"),
    ]


LINES = [
    ("a\n  {# note #}\nb", "a\nb"),
    ("a\n  {% if input.flag %}\n  x\n{% endif %}  \nb\n", "a\n  x\nb\n"),
    ("{% for t in input.tags %}\n- {{ t }}\n{% endfor %}\nend", "- x\n- y\nend"),
    ("{% if input.flag %}{# c #} {% if true %}\nx\n{% endif %}{% endif %}", "x\n"),
    ("{# one\n two #}\nx", "x"),
    ("{% raw %}\n{{ a }}\n{% endraw %}\nb", "{{ a }}\nb"),
    ("a {% if input.flag %}\nb{% endif %}\nc", "a \nb\nc"),
    ("a\n\n{% if input.flag %}\n\nb\n{% endif %}", "a\n\n\nb\n"),
    ("{{ 1 }}{% if input.flag %}\nb{% endif %}", "1\nb"),
    ("{% if input.flag %} {{ 1 }}\n{% endif %}x", " 1\nx"),
    ("a:\n{%- for t in input.tags %}\n- {{ t }}\n{%- endfor %}\nb", "a:\n- x\n- y\nb"),
    ("a\n{% if input.flag -%}\n  b\n{% endif %}\nc", "a\nb\nc"),
    ("a\n {%+ if input.flag +%}\nb\n{% endif %}\nc", "a\n \nb\nc"),
    ("{%- if input.flag %}\nb\n{% endif -%}\n c", "b\nc"),
    ("a\r\n{% if input.flag %}\r\nb{{ 1 }}\r\n{% endif %}\r\n", "a\r\nb1\r\n"),
]


@pytest.mark.parametrize(("source", "text"), LINES)
def test_a_line_of_tags_alone_leaves_no_line_and_a_tag_beside_text_changes_nothing(source: str, text: str) -> None:
    assert render(source) == text


@given(st.text(st.characters() | st.sampled_from("{}%#'\"\\|.()[]- \n"), max_size=40))
def test_no_text_makes_reading_or_rendering_raise(source: str) -> None:
    for text in (source, "{{" + source + "}}", "x {{" + source + "}}", "{%" + source + "%}"):
        template = parse_text(text, allow_secrets=True)
        if isinstance(template, CompiledTemplate):
            assert isinstance(template.render(environment()), Rendered | Failure)
