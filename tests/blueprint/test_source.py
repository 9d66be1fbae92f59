"""The YAML of blueprints: what is read as what, where it stands, and what is refused."""

from __future__ import annotations

import pytest

from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, node_of
from avtomat.blueprint.yaml.source import SOURCE_BYTES_MAX, read_source
from avtomat.core.formula import Json


def value_of(text: str) -> Json:
    root = read_source(text).root
    assert root is not None
    return root.value


def codes_of(content: str | bytes) -> list[str]:
    return [finding.code.number for finding in read_source(content).findings]


def scalar_at(text: str, *path: str) -> Scalar:
    node: Node | None = read_source(text).root
    for step in path:
        assert isinstance(node, Mapping)
        node = node.items[step]
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("null", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-7", -7),
        ("9223372036854775807", 9223372036854775807),
        ("1.5", 1.5),
        ("1.0", 1.0),
        ("1e-07", 1e-07),
        ("yes", "yes"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("1.10", "1.10"),
        ("0755", "0755"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("+5", "+5"),
        ("0x1F", "0x1F"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("True", "True"),
        ("~", "~"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("name", "name"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_only_what_is_written_back_the_same_is_no_text(written: str, value: Json) -> None:
    assert value_of(f"a: {written}") == {"a": value}
    assert type(value_of(f"a: {written}")["a"]) is type(value)


def test_keys_are_the_texts_that_were_written() -> None:
    assert value_of("on: 1\n404: 2\n1.10: 3\nnull: 4\n") == {"on": 1, "404": 2, "1.10": 3, "null": 4}


def test_a_merge_gives_way_to_what_is_written_and_keeps_its_own_order() -> None:
    text = "base: &base {x: 1, y: 2}\nmore: &more {y: 3, z: 4}\nall: {<<: [*base, *more], x: 9}\n"

    assert value_of(text)["all"] == {"x": 9, "y": 2, "z": 4}


def test_an_alias_is_the_value_that_was_marked() -> None:
    assert value_of("a: &a [1, {b: 2}]\nc: *a\n")["c"] == [1, {"b": 2}]


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    source = read_source("\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\n")

    assert source.root is not None
    assert source.root.value == {"a": 1, "b": "x\ny\n"}
    assert not source.findings


def test_columns_count_characters_not_bytes() -> None:
    root = read_source("é: {ß: 1, 😀: 2}\n").root

    assert isinstance(root, Mapping)
    inner = root.items["é"]
    assert isinstance(inner, Mapping)
    assert (inner.keys["😀"].span.line, inner.keys["😀"].span.column) == (1, 11)


@pytest.mark.parametrize(
    ("text", "path", "word", "line", "column"),
    [
        ("a: one two\n", "a", "two", 1, 8),
        ('a: "x \\u00e9 two"\n', "a", "two", 1, 14),
        ('a: "x\\n\\ttwo"\n', "a", "two", 1, 10),
        ("a: 'it''s two'\n", "a", "two", 1, 11),
        ("a: |\n  one\n    two\n  three\n", "a", "two", 3, 5),
        ("a: |\n  one\n\n  two\n", "a", "two", 4, 3),
        ("a: >-\n  one\n  two\n\n  three\n", "a", "three", 5, 3),
        ("a: >2\n    one\n  two\n", "a", "two", 3, 3),
        ("a: one\n  two\n", "a", "two", 2, 3),
        ('a: "one\n  two \\\n  three"\n', "a", "three", 3, 3),
        ("a: | # a comment\n  one two\n", "a", "two", 2, 7),
    ],
)
def test_a_place_in_a_text_is_found_in_the_file(text: str, path: str, word: str, line: int, column: int) -> None:
    scalar = scalar_at(text, path)

    span = scalar.place(scalar.text.index(word), text, len(word))

    assert (span.line, span.column, span.end_column) == (line, column, column + len(word))


def test_the_end_of_a_text_is_a_place_too() -> None:
    scalar = scalar_at("a: one\n", "a")

    assert scalar.place(3, "a: one\n").column == 7


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 65 + "]" * 65, "AVT018"),
        ("- " * 70 + "x", "AVT018"),
        ("a: &a [1]\nb: [" + ", ".join(["*a"] * 51) + "]\n", "AVT018"),
        ("a: {a: [" + "x," * 100_001 + "]}", "AVT018"),
        ("a: &a {b: *a}\n", "AVT017"),
        ("a: \x07\n", "AVT002"),
        ("a: \u202e\n", "AVT002"),
        ('a: "\\0"\n', "AVT002"),
        ("a: 1\na: 2\n", "AVT013"),
        ("a: !!python/object:os.system x\n", "AVT015"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "AVT016"),
        ("a: 1\n---\nb: 2\n", "AVT016"),
        ("? {a: 1}\n: 2\n", "AVT014"),
        ("a: 92233720368547758070\n", "AVT019"),
        ("a: 1e999\n", "AVT019"),
        ("", "AVT001"),
        ("# only a comment\n", "AVT001"),
    ],
)
def test_what_the_language_does_not_allow_is_refused(text: str, code: str) -> None:
    assert code in codes_of(text)


def test_a_file_that_is_too_large_is_not_even_read() -> None:
    assert codes_of("a: " + "x" * SOURCE_BYTES_MAX) == ["AVT018"]


def test_bytes_that_are_no_utf_8_are_shown_with_their_place() -> None:
    (finding,) = read_source(b"a: 1\nb: \xff\n").findings

    assert (finding.code.number, finding.span.line, finding.span.column) == ("AVT001", 2, 4)


def test_aliases_of_aliases_cannot_grow_beyond_the_limit() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 6)]

    assert codes_of("\n".join(lines)) == ["AVT018"]


def test_plain_json_is_a_node_too() -> None:
    value = {"a": [1, "x", {"b": None}], "c": True}

    node = node_of(value)

    assert node.value == value
    assert isinstance(node, Mapping)
    assert isinstance(node.items["a"], Sequence)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (r'{"\uD83D\uDE00":"x\ud83d\ude00\ud83d\ude01y"}', {"😀": "x😀😁y"}),
        (r'["\\\ud83d\ude00", "\\ud83d\\ude00", "\ue000\ud83d\ude00"]', ["\\😀", r"\ud83d\ude00", "\ue000😀"]),
        ("['\\ud83d\\uDE00', \\uD83D\\ude00 x]", [r"\ud83d\uDE00", r"\uD83D\ude00 x"]),
        ("a: |\n  x \\uD83D\\ude00\\ud83d\\udE01 y\n", {"a": "x \\uD83D\\ude00\\ud83d\\udE01 y\n"}),
        # what JSON.stringify, json.dumps, encoding/json and jq write
        (r'{"a":"\u003c\u2028\/\b\f\n\r\t","b":[],"c":{}}', {"a": "<\u2028/\b\f\n\r\t", "b": [], "c": {}}),
        ("[1e-7,1e-07,1.5e-7,1e+21,1e21,0.00001,-1e-05]", [1e-7, 1e-7, 1.5e-7, 1e21, 1e21, 0.00001, -0.00001]),
        ('{\n\t"a": [\n\t\t1,\n\t\ttrue\n\t]\n}\n', {"a": [1, True]}),
    ],
)
def test_yaml_holds_json(text: str, value: Json) -> None:
    read = read_source(text)

    assert read.findings == ()
    assert read.root is not None
    assert read.root.value == value


def test_places_after_an_escaped_pair_are_right() -> None:
    read = read_source(r'{"a":"\ud83d\ude00 x","b":1}')

    assert isinstance(read.root, Mapping)
    assert (read.root.keys["b"].span.column, read.root.items["b"].span.column) == (23, 27)
    text = read.root.items["a"]
    assert isinstance(text, Scalar)
    assert text.place(2, read.text).column == 20


def test_pairs_are_read_whatever_else_the_file_holds() -> None:
    every_block = "".join(chr(code) for code in range(0x1000, 0xD800, 0x800)) + "\ue000\ue800\uf000"

    assert read_source(every_block[:-1] + r': "\ud83d\ude00"').root is not None
    assert [finding.code.number for finding in read_source(every_block + r': "\ud83d\ude00"').findings] == ["AVT002"]
