"""The quick way through the lexer finds what the thorough one finds, wherever the parser lets it through."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from avtomat.blueprint.language.expression import parse_expression
from avtomat.blueprint.language.lexer import Token, scan, usual_tokens
from avtomat.blueprint.language.limits import NODES_MAX
from avtomat.blueprint.language.parser import Parser, UnreadableError
from avtomat.blueprint.language.scope import Scope

PIECES = (
    *("input", ".", "total", " ", "+", "**", "/", "==", "=", "!", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":"),
    *("'a b'", '"x"', "'", "\\", "and ", "not ", "is ", "lambda ", "None", "1", "01", "1.5", "1_0", "2x", "\n", "|"),
    *("é", "#", "~", "f'x'", "class", "for x in ", " if ", " else "),
)


def one_by_one(tokens: list[Token]) -> list[Token]:
    """The tokens with those of paths taken apart."""
    apart: list[Token] = []
    for token in tokens:
        parts = re.split(r"(\.)", token.text) if token.kind == "path" else []
        at = token.at
        for part in parts:
            apart.append(Token("sign" if part == "." else "name", part, at))
            at += len(part)
        apart += [] if parts else [token]
    return apart


def is_read(source: str) -> bool:
    tokens = usual_tokens(source)
    if tokens is None:
        return False
    scope = Scope("expression", NODES_MAX)
    try:
        Parser(tokens, scope).whole()
    except UnreadableError:
        return False
    return not scope.faults


def test_a_usual_source_has_the_same_tokens_both_ways() -> None:
    dice = random.Random(7)
    compared = 0
    for _ in range(60_000):
        source = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 6)))
        if is_read(source):
            thorough = scan(source)
            compared += 1
            assert not thorough.faults, source
            assert one_by_one(usual_tokens(source) or [])[:-1] == thorough.tokens[:-1], source

    assert compared > 1_000


@pytest.mark.parametrize("source", ["a <== b", "a>==b", "a < == b"])
def test_an_equals_sign_too_many_is_never_passed_over(source: str) -> None:
    found = parse_expression(source)

    assert isinstance(found, list)
    assert found[0].code == "expression.syntax"


def test_tokens_stand_where_they_are_written_and_only_white_space_between_them() -> None:
    dice = random.Random(8)
    for _ in range(5_000):
        source = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 12)))
        scanned = scan(source)
        for token, following in pairwise(scanned.tokens):
            assert source.startswith(token.text, token.at)
            assert not source[token.at + len(token.text) : following.at].strip()


def test_a_closing_brace_inside_a_map_or_a_text_closes_nothing() -> None:
    source = "x {{ {'a': '}}'}['a'] }} y"

    assert scan(source, 4, "}}").close == source.rindex("}}")
    assert scan("{% if 5 % 2 %}", 5, "%}").close == 12
