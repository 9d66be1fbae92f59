"""Write the parts of docs/language that follow from the code: all keys from the schema, all functions from their table.

python scripts/language_pages.py            write them
python scripts/language_pages.py --check    end with 1 if they are not up to date (a test runs this)

The value beside each example is what the engine makes of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.functions.table import ALIASES, FORMS, FUNCTIONS
from avtomat.core.formula import Environment, Failure
from avtomat.resources import schema_text

Json = Any
FOLDER: Final = Path(__file__).parents[1] / "docs" / "language"
BEGIN: Final = "<!-- {}: written by scripts/language_pages.py -->\n"
END: Final = "<!-- end of {} -->\n"
NOW: Final = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
NAMES: Final[dict[str, Json]] = {
    "input": {
        "name": "Ada",
        "total": 1250.5,
        "items": [{"sku": "tea", "n": 2}, {"sku": "cup", "n": 1}],
        "tags": ["new", "gift", "new"],
        "address": {"city": "Turin", "zip": "10121"},
        "due": "2026-02-14T09:30:00Z",
    }
}

EXAMPLES: Final = {
    "has": "has(input.address.street)",
    "default": "default(input.address.street, 'unknown')",
    "len": "len(input.items)",
    "min": "min([3, 1, 2])",
    "max": "max(input.total, 2000)",
    "sum": "sum([i.n for i in input.items])",
    "abs": "abs(-3)",
    "round": "round(2.675, 1)",
    "fixed": "fixed(input.total, 2)",
    "floor": "floor(-1.5)",
    "ceil": "ceil(input.total)",
    "int": "int('42')",
    "float": "float('1.5')",
    "str": "str(7) + '%'",
    "bool": "bool('false')",
    "lower": "lower('Ada')",
    "upper": "input.name | upper",
    "title": "title('ada lovelace')",
    "trim": "trim('  tea ')",
    "starts_with": "starts_with(input.name, 'A')",
    "ends_with": "ends_with('report.pdf', '.pdf')",
    "contains": "contains(input.tags, 'gift')",
    "matches": "matches('order-17', '[0-9]+')",
    "replace": "replace('a-b-c', '-', '/')",
    "split": "split('a,b', ',')",
    "join": "join(input.tags, ', ')",
    "pad": "pad(7, 3, '0', 'left')",
    "glob": "glob('photo.jpg', '*.jpg')",
    "keys": "keys(input.address)",
    "values": "values(input.address)",
    "entries": "entries({'a': 1})",
    "merge": "merge(input.address, {'zip': '10122'})",
    "pick": "pick(input.address, 'city')",
    "without": "without(input.address, 'zip')",
    "sorted": "sorted(input.items, 'n')",
    "unique": "unique(input.tags)",
    "flatten": "flatten([[1], [2, 3]])",
    "group_by": "group_by(input.items, 'sku')",
    "chunk": "chunk([1, 2, 3], 2)",
    "range": "range(3)",
    "zip": "zip(['a', 'b'], [1, 2])",
    "first": "first(input.tags)",
    "last": "last(input.items).sku",
    "compact": "compact([1, null, 2])",
    "any": "any([i.n > 1 for i in input.items])",
    "all": "all([i.n > 1 for i in input.items])",
    "now": "now < time(input.due)",
    "time": "time(input.due) + duration('1h')",
    "duration": "duration('1h30m')",
    "format_time": "format_time(input.due, '%d.%m.%Y %H:%M', 'Europe/Berlin')",
    "seconds": "seconds(90)",
    "add_days": "add_days(now, 1, 'Europe/Berlin')",
    "add_months": "add_months(now, 1)",
    "at": "at(input.due, '09:00', 'Europe/Berlin')",
    "start_of": "start_of(now, 'month')",
    "epoch": "epoch(now)",
    "to_json": "to_json(input.address)",
    "from_json": "from_json('[1, 2]')",
    "base64": "base64('Ada')",
    "from_base64": "from_base64('QWRh')",
    "url_encode": "url_encode('a b&c')",
    "hash": "hash('Ada')",
    "uuid": "len(uuid())",
    "is_text": "is_text(input.name)",
    "is_number": "is_number('7')",
    "is_list": "is_list(input.tags)",
    "is_map": "is_map(input.address)",
}


def main() -> int:
    """Write or check the pages."""
    wrong = False
    for page, name, lines in (("README.md", "keys", _keys), ("expressions.md", "functions", _functions)):
        file = FOLDER / page
        text = file.read_text("utf-8")
        wanted = _with_part(text, name, lines)
        wrong |= text != wanted
        if "--check" not in sys.argv[1:]:
            file.write_text(wanted, "utf-8")
    return int(wrong and "--check" in sys.argv[1:])


def _with_part(text: str, name: str, lines: Callable[[], Iterator[str]]) -> str:
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + "\n" + "\n".join(lines()) + "\n\n" + end + after


# --- functions --------------------------------------------------------------------------------------------------------


def _functions() -> Iterator[str]:
    usages = {**FORMS, **{name: function.usage for name, function in FUNCTIONS.items()}}
    unknown = EXAMPLES.keys() ^ usages.keys()
    if unknown:
        raise SystemExit(f"each function has one example: {', '.join(sorted(unknown))}")
    yield "| function | example | value |"
    yield "|---|---|---|"
    for name, usage in usages.items():
        yield f"| `{_cell(usage)}` | `{_cell(EXAMPLES[name])}` | `{_cell(_value(EXAMPLES[name]))}` |"
    yield ""
    yield "Known from Jinja: " + ", ".join(f"`{alias}` is `{name}`" for alias, name in ALIASES.items()) + "."


def _value(source: str) -> str:
    parsed = parse_expression(source)
    if not isinstance(parsed, Expression):
        raise SystemExit(f"{source}: {parsed[0].message}")
    value = parsed.evaluate(Environment(names=NAMES, now=NOW, seed="example"))
    if isinstance(value, Failure):
        raise SystemExit(f"{source}: {value.message}")
    return orjson.dumps(value).decode()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- keys -------------------------------------------------------------------------------------------------------------


def _keys() -> Iterator[str]:
    schema = json.loads(schema_text("blueprint"))
    definitions = schema["definitions"]
    shown: dict[str, None] = {}
    yield from _table("At the top", schema, definitions, shown)
    for name in (name for name in definitions if name.endswith("State")):
        yield from _table(_heading(name), definitions[name], definitions, shown)
    told: set[str] = {"state", "states"}
    while pending := [name for name in shown if name not in told]:
        for name in pending:
            told.add(name)
            yield from _parts(name, definitions, shown)


def _heading(name: str) -> str:
    kind = name.removesuffix("State")
    return "A state of no kind" if kind == "pass" else f"`{kind}`"


def _parts(name: str, definitions: Json, shown: dict[str, None]) -> Iterator[str]:
    """The keys of a value that is a map, wherever it may stand."""
    definition = definitions[name]
    for branch in ("then", "else", "items"):
        _note(definition.get(branch) or {}, shown)
    if "properties" in definition:
        yield from _table(f"In {definition['title']}", definition, definitions, shown)


def _table(heading: str, owner: Json, definitions: Json, shown: dict[str, None]) -> Iterator[str]:
    yield f"### {heading}"
    yield ""
    yield owner["description"]
    yield ""
    yield "| key | value | |"
    yield "|---|---|---|"
    required = owner.get("required", ())
    for key, given in owner["properties"].items():
        _note(given, shown)
        value = definitions[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
        must = " (required)" if key in required else ""
        yield f"| `{key}`{must} | {_cell(value.get('title', ''))} | {_cell(value['description'])} |"
    yield ""
    for key, given in owner["properties"].items():
        if "properties" in given:
            yield from _table(f"In `{key}` of {owner['title']}", given, definitions, shown)


def _note(given: Json, shown: dict[str, None]) -> None:
    """Remember the definitions that are mentioned, so that each is shown once."""
    for part in (given, given.get("items") or {}, given.get("then") or {}, given.get("else") or {}):
        if isinstance(part, dict) and "$ref" in part:
            shown.setdefault(part["$ref"].rpartition("/")[2])


if __name__ == "__main__":
    sys.exit(main())
