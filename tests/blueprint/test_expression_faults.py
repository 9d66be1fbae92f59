"""What is refused when a file is loaded, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.core.formula import Failure
from tests.blueprint.evaluating import environment, fault, faults, template_fault


@pytest.mark.parametrize(
    ("source", "offset", "hint"),
    [
        ("a = 5", 2, "write =="),
        ("a === 5", 2, "write =="),
        ("a && b", 2, "write and"),
        ("a || b", 2, "write or"),
        ("!a", 0, "write not"),
        ("a ? b : c", 2, "this if condition else that"),
        ("a ?? b", 2, "default(a.b, 0)"),
        ("a?.b", 1, "has(a.b.c)"),
        ("{{ a }}", 0, "leave it out"),
        ("a == {{ b }}", 5, "leave it out"),
        ("a.length", 2, "write len(x)"),
        ("a <> b", 2, "write !="),
        ("a == 'b", 5, "closing '"),
        ("a == ‘b’", 5, "'…'"),
        ("$input.a", 0, "the name alone"),
        ("a; b", 1, "leave out"),
        ("a if b", 0, "this if condition else that"),
        ("a b", 2, None),
        ("a ==", 3, "something is missing"),
        ("(a", 0, "add the `)`"),
        ("a)", 1, None),
        ("[a)", 2, None),
        ("{a: 1}", 1, "write 'a'"),
        ("007", 0, "without leading zeros"),
        ("1_000", 0, "without leading zeros"),
        ("5m", 0, "duration('5m')"),
        ("a | 5", 4, "after the bar stands a function"),
        ("a + b | round", 0, "write (a + b) | f"),
        ("-a | abs", 0, "write (a + b) | f"),
        ("'a' 'b'", 4, "put + or a comma"),
        ("", 0, "write a condition"),
        ("   ", 0, "write a condition"),
        ("a is null", 2, "write =="),
        ("a == None", 5, "write null"),
        ("a == True", 5, "write true"),
        ("has(1)", 4, "has(a.b.c)"),
        ("default(a.b)", 0, "default(a.b.c, 0)"),
        ("len(a, b)", 0, "len(x)"),
        ("f(a=1)", 3, "write =="),
        ("a | round(digits=2)", 16, "in their order"),
        ("10 / a | round", 0, "write (a + b) | f"),
        ("a | round * 2", 4, "write (x | round) * …"),
        ("a.b.0", 3, "write [0]"),
        ("0x1F", 0, "numbers are decimal"),
        ("a ~ b", 2, "write + to join texts"),
        ("a.b is defined", 4, "write has(a.b)"),
        ("a.b is not defined", 4, "write not has(a.b)"),
        ("a['b'] is none", 7, "a['b'] == null"),
        ("a is not none", 2, "a != null"),
        ("a is string", 2, "is_text(a)"),
        ("{'a': 1, 'b': 2, \"a\": 3}", 17, "leave one of them out"),
        ("+a", 0, "leave it out"),
        ("a << 2", 2, "2 ** n"),
    ],
)
def test_an_accident_is_named_where_it_stands(source: str, offset: int, hint: str | None) -> None:
    found = fault(source)

    assert found.offset == offset
    assert (found.hint is None) if hint is None else hint in (found.hint or "")
    assert found.offset + found.length <= max(len(source), 1)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("lenght(a)", "len(x)"),
        ("toLowerCase(a)", "lower(text)"),
        ("size(a)", "len(x)"),
        ("uper(a)", "upper(text)"),
        ("a | capitalize", "title(text)"),
        ("filter(a)", "[x.name for x in list"),
    ],
)
def test_an_unknown_function_gets_the_one_that_was_meant(source: str, hint: str) -> None:
    found = fault(source)

    assert found.code == "expression.unknown_function"
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("a.upper()", "upper(text)"),
        ("a.b.items()", "entries(map)"),
        ("a.map(b)", "[x.name"),
        ("a.get('k')", "default(a.b.c, 0)"),
    ],
)
def test_a_method_is_refused_with_the_function_to_write(source: str, hint: str) -> None:
    found = fault(source)

    assert found.code == "expression.forbidden"
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "a.__class__",
        "().__class__.__bases__[0].__subclasses__()",
        "''.__class__",
        "__import__('os').system('id')",
        "[x for x in a.__dict__]",
        "__builtins__",
        "_private",
        "lambda: 1",
        "(lambda x: x)(1)",
        "f'{a}'",
        "b'a'",
        "r'a'",
        "a := 1",
        "(a := 1)",
        "*a",
        "[*a]",
        "len(*a)",
        "len(**a)",
        "{**a}",
        "{1, 2}",
        "{x for x in a}",
        "a, b",
        "a[1:2:3]",
        "await a",
        "yield a",
        "[x async for x in a]",
        "import os",
        "del a",
        "a; b",
        "a @ b",
        "a & b",
        "a ^ b",
        "~a",
        "a << 1",
        "+a",
        "...",
        "1j",
        "0x10",
        "a = 5",
        "a += 5",
        "print(1)",
        "eval('1')",
        "open('/etc/passwd')",
        "a.b()",
        "a()()",
        "[1][0]()",
        "(a)(b)",
        "[_x for _x in a]",
        "[secrets for secrets in a]",
        "'''a'''",
        "a \\\n b",
        "# a",
        "'\\ud800'",
        "9223372036854775808",
        "1e999",
    ],
)
def test_nothing_but_plain_expressions_is_accepted(source: str) -> None:
    assert fault(source).code.startswith("expression.")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a + " * 2_000 + "a", "expression.too_complex"),
        ("'" + "a" * 5_000 + "'", "expression.too_complex"),
        ("(" * 60 + "a" + ")" * 60, "expression.too_complex"),
        ("not " * 60 + "a", "expression.too_complex"),
        ("-" * 900 + "1", "expression.too_complex"),
        ("a" + ".b" * 60, "expression.too_complex"),
        ("a" + "[0]" * 60, "expression.too_complex"),
        ("a" + " ** a" * 100, "expression.too_complex"),
        ("1 if a else " * 60 + "1", "expression.too_complex"),
        ("[" + "1," * 600 + "1]", "expression.too_complex"),
        ("a == " * 600 + "a", "expression.too_complex"),
    ],
)
def test_a_source_that_is_too_large_or_too_deep_is_refused_at_load(source: str, code: str) -> None:
    assert fault(source).code == code


def test_the_same_fault_is_told_in_the_same_words_alone_and_in_a_text() -> None:
    sources = ["10 / a | round", "a + 2 | str", "0x1F", "1_000", "True", "a ~ b", "a.b.0", "'a' 'b'", "a is defined"]
    for source in [*sources, "a.upper()", "round(a, digits=2)", "(1, 2)", "a[::2]", "a if b", "lambda: 1", "f'a'"]:
        alone, inside = fault(source), template_fault(f"x {{{{ {source} }}}} y")

        assert (inside.message, inside.hint, inside.offset) == (alone.message, alone.hint, alone.offset + 5)


def test_what_looks_like_a_python_name_is_a_text_in_quotes() -> None:
    for source in ("'__class__x' in a", "a['__class__']", "a == '_x'"):
        assert isinstance(parse_expression(source), Expression)


def test_a_long_source_is_refused_in_linear_time() -> None:
    for source in ("'" + "\\'" * 2_000, "(" * 4_000, "a." * 2_000, "not " * 1_000, "-" * 4_000, "{# " * 1_300):
        assert fault(source)
        assert template_fault("x {{ " + source)


def test_a_pattern_that_needs_more_than_linear_time_is_refused_at_load() -> None:
    for pattern in ("(?=a)", r"(a)\1", "(?<!a)b", "(", "a{5000}", "((a{1,30}){1,30}){1,30}"):
        found = fault(f"matches(input.name, '{pattern}')")
        assert found.code == "expression.regex"
        assert "RE2" in (found.hint or "")


def test_all_faults_of_a_source_are_found_in_one_go() -> None:
    assert [found.offset for found in faults("uper(a) + a.lower() + b.__c")] == [0, 12, 24]


@pytest.mark.parametrize(
    "source",
    [
        "secrets.key + 'a'",
        "len(secrets.key)",
        "secrets",
        "secrets.a == 'x'",
        "[secrets.a]",
        "has(secrets.a)",
        "secrets.a.b",
    ],
)
def test_a_secret_is_never_computed_with(source: str) -> None:
    assert "a secret may be written out" in fault(source, allow_secrets=True).message


def test_a_secret_is_refused_where_none_may_stand() -> None:
    assert fault("secrets.key").code == "expression.forbidden"


WORDS = "a ( ) [ ] { } {{ }} ' \" \\ == = + ** | len has( default( 1 1e400 . , : ſ secrets.k omit now _ lambda é {% %}"
PHRASES = [
    "input.total",
    "for x in a",
    " if ",
    " else ",
    "not ",
    " in ",
    "9" * 30,
    "matches(a, '(')",
    "\x00",
    "\n",
    "\u2028",
]
FRAGMENTS = st.sampled_from([*WORDS.split(" "), *PHRASES, "\ud800"])


@given(st.text(max_size=60) | st.lists(FRAGMENTS, max_size=14).map("".join))
def test_no_source_makes_reading_or_evaluating_raise(source: str) -> None:
    for allow_secrets in (False, True):
        parsed = parse_expression(source, allow_secrets=allow_secrets)
        if isinstance(parsed, Expression):
            found = parsed.evaluate(environment(a=[1, "x"]))
            assert not isinstance(found, Failure) or found.code in {"EXPRESSION_ERROR", "LIMIT_EXCEEDED"}
        else:
            assert all(0 <= each.offset <= len(source) for each in parsed)
