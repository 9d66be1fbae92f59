"""The quick way through the lexer finds what the thorough one finds, wherever Python's parser lets it through."""

from __future__ import annotations

import ast
import random

from avtomat.blueprint.lexer import scan, usual_scan

PIECES = (
    *("input", ".", "total", " ", "+", "**", "/", "==", "=", "!", "<", "(", ")", "[", "]", "{", "}", ",", ":", "|"),
    *("'a b'", '"x"', "'", "\\", "and ", "not ", "is ", "lambda ", "None", "1", "01", "1.5", "1_0", "2x", "\n"),
    *("é", "#", "~", "f'x'", "class", "for x in ", " if ", " else "),
)


def is_python(source: str) -> bool:
    try:
        ast.parse(source.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def test_a_usual_source_has_the_same_scan_both_ways() -> None:
    dice = random.Random(7)
    compared = 0
    for _ in range(60_000):
        source = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 6)))
        quick = usual_scan(source)
        if quick is not None and is_python(quick.masked):
            thorough = scan(source)
            compared += 1
            assert not thorough.faults, source
            assert (quick.masked, quick.originals) == (thorough.masked, thorough.originals), source

    assert compared > 1_000
