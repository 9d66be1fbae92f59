"""Files that cost much to read or to explain for their size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

_HEAD: Final = "avtomat: 1\nblueprint: b\n"
_STATES: Final = f"{_HEAD}states:\n"
_ONE: Final = f"{_HEAD}states: {{a: {{task: t}}}}\n"


def _state_after_state(key: str, name: str, count: int = 2_000) -> str:
    return _STATES + "".join(f"  step_{n}: {{task: a, {key}: {name}_{(n + 1) % count}x}}\n" for n in range(count))


def _states(body: str, count: int) -> str:
    """So many states with this body, in which `%d` is the number."""
    return _STATES + "".join(f"  s{n}: {body.replace('%d', str(n))}\n" for n in range(count))


def _when(expression: str) -> str:
    return f"{_STATES}  a: {{task: t, tsk: 1, transitions: [{{when: '{expression}', to: end}}, {{to: end}}]}}\n"


def _text(text: str) -> str:
    return f"{_STATES}  a: {{task: t, params: {{x: '{text}'}}}}\n"


def _input(schema: str) -> str:
    return f"{_HEAD}input: {schema}\nstates: {{a: {{task: t}}}}\n"


CASES: Final[Mapping[str, Callable[[], str | bytes]]] = {
    # accidents, and names that are near to others
    "a key of 40,000 letters": lambda: f"{_HEAD}{'k' * 40_000}: 1\n",
    "a word of 40,000 letters without a colon": lambda: f"{_HEAD}{'k' * 40_000}\n",
    "minified JSON with a long token and a missing comma": lambda: (
        f'{{"avtomat": 1, "blueprint": "b" "token": "{"k" * 40_000}"}}'
    ),
    "a flow map that a long word follows": lambda: f"{_HEAD}states: {{a: {{task: a}} {'k' * 40_000}\n",
    "a flow map of many colons without a comma": lambda: f"{_HEAD}states: {{{'a: ' * 20_000}\n",
    "a value cut by many commas": lambda: f"{_HEAD}data: {{a: (x{', b' * 20_000}}}\n",
    "many quotes in a plain value": lambda: (
        f"{_HEAD}data: {{a: x{'i' + chr(39) + chr(34)} {'q' + chr(34)}{'w' * 40_000}}}\n"
    ),
    "a line of spaces": lambda: f"{_HEAD}data: {{a: b: {' ' * 40_000}x}}\n",
    "many dashes in wrong columns": lambda: f"{_HEAD}data:\n" + "  - a\n" * 40_000 + " - b\n",
    "2,000 misspelt targets": lambda: _state_after_state("next", "stap"),
    "2,000 misspelt keys": lambda: _state_after_state("tsk", "a"),
    "2,000 unknown keys in one map": lambda: _HEAD + "".join(f"stetes_{n}: 1\n" for n in range(2_000)),
    "2,000 references to unknown outputs": lambda: _states("{task: a, params: {x: '{{ inptu.a%d }}'}}", 2_000),
    "2,000 misspelt functions": lambda: _states("{task: a, params: {x: '{{ lenn(input.a%d) }}'}}", 2_000),
    "2,000 codes that nothing sends": lambda: _states("{task: a, catch: [{errors: [TIMEOUT_ERRO%d], to: s0}]}", 2_000),
    "2,000 misspelt policies": lambda: (
        _HEAD
        + "policies: {patient: {attempts: 2}}\n"
        + _states("{task: a, retry: patiend%d}", 2_000).removeprefix(_HEAD)
    ),
    "an error code of 100,000 letters": lambda: (
        f"{_STATES}  a: {{task: a, catch: [{{errors: [{'e' * 100_000}], to: a}}]}}\n"
    ),
    # length
    "a duration of 900 kB": lambda: f"{_STATES}  a: {{wait: {'1s' * 450_000}, next: end}}\n",
    "a name of 900 kB": lambda: f"{_STATES}  a: {{task: a, next: {'k' * 900_000}}}\n",
    "a key of 900 kB in quotes": lambda: f'{_HEAD}"{"k" * 900_000}": 1\n',
    "a number of 100,000 digits": lambda: f"{_HEAD}data: {{n: {'1' * 100_000}}}\n{_ONE.removeprefix(_HEAD)}x: 1\n",
    "a title of 900 kB with a mistake behind it": lambda: f"{_HEAD}title: {'t' * 900_000}\nstetes: 1\n",
    "more than a megabyte": lambda: f"{_HEAD}title: {'t' * 1_000_001}\n",
    "100,000 lines of comments and a mistake": lambda: _HEAD + "# c\n" * 100_000 + "stetes: 1\n",
    "100,000 lines that end in CR LF": lambda: f"{_HEAD}title: x\r\n" + "\r\n" * 100_000 + "stetes: 1\r\n",
    # YAML
    "20,000 empty keys": lambda: _HEAD + ": 1\n" * 20_000,
    "20,000 keys that stand twice": lambda: _HEAD + "data:\n" + "  a: 1\n" * 20_000,
    "maps nested 200 deep": lambda: f"{_HEAD}data: {'{a: ' * 200}1{'}' * 200}\n",
    "lists nested 5,000 deep": lambda: f"{_HEAD}data: {{x: {'[' * 5_000}{']' * 5_000}}}\n",
    "block maps nested 100 deep": lambda: _HEAD + "data:\n" + "".join(f"{'  ' * n}a:\n" for n in range(1, 100)),
    "200 aliases": lambda: f"{_HEAD}data:\n  a: &a [1]\n" + "".join(f"  b{n}: *a\n" for n in range(200)),
    "aliases that grow": lambda: (
        f"{_HEAD}data:\n  a0: &a0 [x, x, x, x]\n"
        + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 4)}]\n" for n in range(1, 8))
    ),
    "an alias of what is around it": lambda: f"{_HEAD}data: &a {{b: *a}}\n",
    "1,000 documents": lambda: f"{_HEAD}" + "---\na: 1\n" * 1_000,
    "1,000 tags": lambda: f"{_HEAD}data:\n" + "".join(f"  a{n}: !x 1\n" for n in range(1_000)),
    "1,000 control characters": lambda: f'{_HEAD}title: "{chr(1) * 1_000}"\n',
    "1,000 marks of direction": lambda: f'{_HEAD}title: "{chr(0x202E) * 1_000}"\n',
    "UTF-16": lambda: f"{_HEAD}states: {{}}\n".encode("utf-16"),
    "bytes that are no UTF-8": lambda: _HEAD.encode() + b"title: \xff\xfe\n" * 1_000,
    "halves of surrogate pairs": lambda: f'{_HEAD}title: "{chr(92)}ud83d x"\n',
    "100,000 tabs": lambda: _HEAD + "\t" * 100_000 + "a: 1\n",
    "300,000 short items": lambda: f"{_HEAD}data: {{x: [{'1,' * 300_000}]}}\n",
    # formulas
    "a condition of 40 kB": lambda: _when(" + ".join(["input.a"] * 4_500)),
    "parentheses 500 deep": lambda: _when("(" * 500 + "1" + ")" * 500),
    "lists 500 deep in a condition": lambda: _when("[" * 500 + "]" * 500),
    "5,000 negations": lambda: _when("not " * 5_000 + "input.a"),
    "a chain of 1,000 comparisons": lambda: _when(" < ".join(["input.a"] * 400)),
    "a power of a power": lambda: _when("2 ** 64 ** 64 == 1"),
    "a product of long texts": lambda: _when('"x" * 100000 == pad("", 100000)'),
    "comprehensions in one another": lambda: _when(
        "[[[[x for x in range(1000)] for y in range(1000)] for z in range(1000)] for w in range(1000)] == nothing"
    ),
    "a text of 2,000 unclosed braces": lambda: _text("{{ " * 2_000),
    "a text of 2,000 unclosed tags": lambda: _text("{% if " * 2_000),
    "a text of 2,000 unknown names": lambda: _text("{{ nobody }}" * 2_000),
    "a text of 200 loops in one another": lambda: _text("{% for x in input.a %}" * 200 + "{% endfor %}" * 200),
    "a text of 5,000 tags that nothing opened": lambda: _text("{% endif %}" * 5_000),
    "a text of 900 kB": lambda: _text("{{ input.a }} text " * 50_000),
    "2,000 foreign templates": lambda: _states(
        "{task: a, params: {x: '${{ x }}', y: '<% x %>'}, next: nowhere%d}", 2_000
    ),
    "a pattern that RE2 does not know": lambda: _when('matches(input.a, "(?=a)' + "b" * 3_000 + '")'),
    # shapes
    "5,000 transitions to nowhere": lambda: (
        f"{_STATES}  a: {{task: t, transitions: [{', '.join(f'{{to: n{n}}}' for n in range(5_000))}]}}\n"
    ),
    "2,000 states that nothing leads to": lambda: _states("{task: t, next: end, tsk: x}", 2_000),
    "2,000 wrong durations": lambda: _states("{wait: 5 minutes %d, next: end}", 2_000),
    "2,000 kinds at once": lambda: _states("{task: a, wait: 1s, parallel: {}, next: end}", 2_000),
    "blocks 60 deep": lambda: f"{_HEAD}states: {{a: " + "{parallel: {b: " * 25 + "{task: t}" + "}}" * 25 + "}\n",
    "a schema of 5,000 unknown words": lambda: _input("{" + ", ".join(f"typ{n}: 1" for n in range(5_000)) + "}"),
    "a schema 60 deep with a mistake": lambda: _input("{properties: {a: " * 25 + "{tpye: x}" + "}}" * 25),
    "a default that is large and wrong": lambda: _input(
        "{type: object, properties: {a: {type: string, default: [" + "1, " * 50_000 + "1]}}}"
    ),
    "2,000 wrong formats": lambda: _input(
        "{type: object, properties: {" + ", ".join(f"a{n}: {{format: datetime}}" for n in range(2_000)) + "}}"
    ),
}
