"""`avtomat breakers`: list the breakers of kinds of task, or close one at once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing
from typing import Any
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import api_of, common_arguments
from avtomat.cli.jobs.shown import print_json, print_table

Json = Any
_ACTIONS = {
    "list": "List the breakers of kinds of which attempts failed, with their last changes",
    "reset": "Close the breaker of a kind at once; it counts anew",
}


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and which engine."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        each = actions.add_parser(name, help=text, **described(text))
        common_arguments(each)
        if name == "reset":
            each.add_argument("kind", metavar="KIND", help="the kind of task")


def run(args: Namespace) -> int:
    """Ask the engine; the exit code is 3 for a kind of which no attempt is known to have failed."""
    with closing(api_of(args)) as engine:
        return _list(engine, args.form) if args.action == "list" else _reset(engine, args.kind, args.form)


def _list(engine: EngineApi, form: str) -> int:
    found = engine.get("/api/v1/breakers")
    if form == "json":
        return print_json(found)
    rows = [(each["kind"], each["state"], each["since"] or "-", _told(each)) for each in found["breakers"]]
    print_table(("KIND", "STATE", "SINCE", ""), rows)
    if not found["enabled"]:
        print("no breakers are kept: the setting breaker_rate is 0")
    return 0


def _told(breaker: Json) -> str:
    if breaker["probe"] is not None:
        return f"worker {breaker['probe']['worker']} has the probe {breaker['probe']['task_id']}"
    if breaker["next_probe_at"] is not None:
        return f"next probe at {breaker['next_probe_at']}; {breaker['reason']}"
    return f"{sum(breaker['failures'].values())} of {breaker['attempts']} attempts failed lately"


def _reset(engine: EngineApi, kind: str, form: str) -> int:
    found = engine.post(f"/api/v1/breakers/{quote(kind, safe='')}/reset", {})
    if form == "json":
        return print_json(found)
    print(f"{found['kind']} {found['state']}")
    return 0
