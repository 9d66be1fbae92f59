"""`avtomat workers`: list the workers of an engine, or show one with its reputation and the reasons for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing
from typing import Any
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import api_of, common_arguments
from avtomat.cli.jobs.shown import print_json, print_table
from avtomat.diagnostics import visible

Json = Any
KINDS_CHARACTERS_SHOWN = 50
_ACTIONS = {
    "list": "List the workers, their kinds of task and their reputation",
    "show": "Show one worker, and what it spoiled last",
}


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and which engine."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        each = actions.add_parser(name, help=text, **described(text))
        common_arguments(each)
        if name == "show":
            each.add_argument("name", metavar="NAME", help="the worker's id")


def run(args: Namespace) -> int:
    """Ask the engine."""
    with closing(api_of(args)) as engine:
        return _list(engine, args.form) if args.action == "list" else _show(engine, args.name, args.form)


def _list(engine: EngineApi, form: str) -> int:
    found = engine.get("/api/v1/workers")
    if form == "json":
        return print_json(found)
    rows = [
        (visible(each["worker"]), _standing(each), visible(_short(", ".join(each["kinds"]))))
        for each in found["workers"]
    ]
    print_table(("WORKER", "REPUTATION", "KINDS"), rows)
    if not found["complete"]:
        print("there are more; `avtomat workers show NAME` shows one")
    return 0


def _show(engine: EngineApi, name: str, form: str) -> int:
    found = engine.get(f"/api/v1/workers/{quote(name, safe='')}")
    if form == "json":
        return print_json(found)
    print(f"{'worker':<12} {visible(found['worker'])}{'' if found['registered'] else ' (not registered)'}")
    print(f"{'reputation':<12} {_standing(found)}")
    for field, value in (("type", found["type"]), ("status", found["status"]), ("kinds", ", ".join(found["kinds"]))):
        if value:
            print(f"{field:<12} {visible(value)}")
    for fault in found["faults"]:
        print(f"{'fault':<12} {fault['at']} {fault['fault']} {fault['kind']} {fault['task_id']}")
    return 0


def _standing(worker: Json) -> str:
    return f"{worker['reputation']:.3f}{' on probation' if worker['probation'] else ''}"


def _short(text: str) -> str:
    return text if len(text) <= KINDS_CHARACTERS_SHOWN else f"{text[: KINDS_CHARACTERS_SHOWN - 1]}…"
