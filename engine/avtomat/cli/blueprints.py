"""`avtomat blueprints`: list the blueprints of an engine, or make an earlier version current again."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import api_of, common_arguments
from avtomat.errors import UsageError

Json = Any
VERSION_SHOWN: Final = 12
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
_ACTIONS: Final = {
    "list": "List the current blueprints, and what is wrong with newer ones",
    "restore": "Make an earlier version current again, until the file changes",
}


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and which engine."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        each = actions.add_parser(name, help=text, **described(text))
        common_arguments(each)
        if name == "restore":
            each.add_argument("name", metavar="NAME", help="the blueprint")
            each.add_argument("digest", metavar="DIGEST", help="the version, or its first digits (8 at least)")


def run(args: Namespace) -> int:
    """Ask the engine; 1 when something is wrong with a blueprint."""
    with closing(api_of(args)) as engine:
        return _list(engine, args.form) if args.action == "list" else _restore(engine, args)


def _list(engine: EngineApi, form: str) -> int:
    answer = engine.get("/api/v1/blueprints")
    print(json.dumps(answer, indent=2, ensure_ascii=False) if form == "json" else "\n".join(_lines(answer)))
    return 1 if answer["problems"] else 0


def _lines(answer: Json) -> Iterator[str]:
    width = max((len(each["name"]) for each in answer["blueprints"]), default=0)
    for each in answer["blueprints"]:
        yield f"{each['name']:<{width}}  {each['version'][:VERSION_SHOWN]}"
    for each in answer["problems"]:
        place = f"{each['file']}:{each['line']}:{each['column']}"
        yield f"{place}: {each['code']}: {each['message']} (since {each['since']})"
        if each["hint"]:
            yield f"  {each['hint']}"


def _restore(engine: EngineApi, args: Namespace) -> int:
    digest = args.digest.lower()
    if _DIGEST.fullmatch(digest) is None:
        text = f"{args.digest!r} is not a version: that is 8 to 64 of the digits 0-9 and a-f"
        raise UsageError(text, hint="a version that is not there is answered with those that are")
    answer = engine.post(f"/api/v1/blueprints/{quote(args.name, safe='')}/restore", {"digest": digest})
    text = f"{answer['name']}  {answer['version'][:VERSION_SHOWN]} is current"
    print(json.dumps(answer, indent=2, ensure_ascii=False) if args.form == "json" else text)
    return 0
