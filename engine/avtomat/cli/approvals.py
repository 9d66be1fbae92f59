"""`avtomat approvals`: see what people are asked in a job of an engine, and decide it, over HTTP."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import api_of, common_arguments
from avtomat.cli.jobs.found import path_of
from avtomat.cli.jobs.shown import print_json, print_table
from avtomat.cli.json_argument import json_argument
from avtomat.diagnostics import visible
from avtomat.errors import NotFoundError, UsageError

Json = Any
Do = Callable[[EngineApi, Namespace], int]
TEXT_CHARACTERS_SHOWN = 60


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "list", "List what people are asked in a job now", show_list)
    _state_argument(_action(actions, "show", "Show a question, and the links by which it can be decided", show))
    decide_parser = _action(actions, "decide", "Decide what a state asks", decide)
    _state_argument(decide_parser)
    decide_parser.add_argument("--choice", metavar="TEXT", required=True, help="one of the choices of the state")
    decide_parser.add_argument("--comment", metavar="TEXT", help="kept in the job's history and in the state's output")
    decide_parser.add_argument("--form", dest="data", type=json_argument, metavar="JSON", help="JSON, @file or -")
    decide_parser.add_argument("--visit", type=int, metavar="N", help="only this visit of the state")


def run(args: Namespace) -> int:
    """Do it; the exit code is 3 when there is no such job or question, 1 when it was decided before."""
    with closing(api_of(args)) as api:
        return int(args.do(api, args))


def show_list(api: EngineApi, args: Namespace) -> int:
    """One line for each question."""
    found = api.get(f"{path_of(api, args.job)}/approvals")
    if args.form == "json":
        return print_json(found)
    rows = [
        (
            asked["state"],
            str(asked["visit"]),
            ", ".join(asked["assignees"]) or "-",
            asked["deadline"] or "-",
            visible(_short(asked["text"])),
        )
        for asked in found["approvals"]
    ]
    print_table(("STATE", "VISIT", "ASKED", "UNTIL", "TEXT"), rows)
    if not found["complete"]:
        print("more bodies of blocks may ask something: a state is decided by its path all the same")
    return 0


def show(api: EngineApi, args: Namespace) -> int:
    """One question whole."""
    asked = _asked(api, args)
    asked["links"] = {name: api.address_of(link) for name, link in asked["links"].items()}
    if args.form == "json":
        return print_json(asked)
    for name in ("state", "scope", "visit", "since", "deadline", "reminders"):
        if asked[name] not in (None, 0):
            print(f"{name:<10} {asked[name]}")
    print(f"{'text':<10} {visible(asked['text'])}")
    print(f"{'choices':<10} {', '.join(asked['choices'])}")
    for name, part in ((asked["form"] or {}).get("properties") or {}).items():
        told = part if isinstance(part, dict) else {}
        print(f"{'form':<10} {visible(name)}: {visible(str(told.get('description') or told.get('type') or ''))}")
    for name in asked["assignees"]:
        print(f"{'asked':<10} {visible(name)} {asked['links'].get(name, '')}".rstrip())
    return 0


def decide(api: EngineApi, args: Namespace) -> int:
    """Send the decision; where no state is named, it is for the only question that is open."""
    state, visit = args.state, args.visit
    if state is None:
        asked = _asked(api, args)
        state, visit = asked["scope"], visit or asked["visit"]
    given = {"choice": args.choice, "comment": args.comment, "form": args.data, "visit": visit}
    body = {name: value for name, value in given.items() if value is not None}
    told = api.post(f"{path_of(api, args.job)}/approvals/{quote(state, safe='')}", body)
    if args.form == "json":
        return print_json(told)
    print(f"{told['job_id']} {told['state']} {told['choice']} {told['status']}")
    return 0


def _asked(api: EngineApi, args: Namespace) -> dict[str, Json]:
    """The question of the state that is named, or the only one."""
    found = api.get(f"{path_of(api, args.job)}/approvals", {"links": "true"})["approvals"]
    fitting = [asked for asked in found if args.state in (None, asked["state"], asked["scope"])]
    if len(fitting) == 1:
        return dict(fitting[0])
    names = ", ".join(asked["state"] for asked in found[:10])
    if not fitting:
        what = "nothing is asked in this job" if args.state is None else f"nothing is asked by {args.state}"
        raise NotFoundError(what, hint=f"open are: {names}" if names else "`avtomat jobs why` says what it waits for")
    raise UsageError(f"{len(fitting)} states of this job ask something", hint=f"name one of them: {names}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS_SHOWN else f"{line[: TEXT_CHARACTERS_SHOWN - 1]}…"


def _action(actions: Any, name: str, text: str, do: Do) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, **described(text))
    parser.set_defaults(do=do)
    common_arguments(parser)
    parser.add_argument("job", metavar="JOB", help="the job's id, or at least 4 of its first characters")
    return parser


def _state_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "state", metavar="STATE", nargs="?", help="the path of the state (default: the only one that asks something)"
    )
