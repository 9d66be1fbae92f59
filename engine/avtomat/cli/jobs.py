"""`avtomat jobs`: list, show, explain and operate the jobs of an engine, over HTTP."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.json_argument import json_argument, json_map_argument
from avtomat.settings_loader import load_settings

Json = Any
_JOBS: Final = "/api/v1/jobs"
_PAGE: Final = 200
_LIMIT_DEFAULT: Final = 50
_EXIT_FAILED: Final = 1
_WISHES: Final = {
    "cancel": "End a job as cancelled, after undoing what it did",
    "pause": "Hold a job where it stands",
    "resume": "Let a paused job go on",
    "retry": "Let a quarantined job try again what failed",
    "release": "Let a quarantined job try again, with other variables",
    "rerun": "Enter a state of an open job anew; run an ended one again, as a new job",
    "skip": "Take a job's state as done, with a given output",
}


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _list_arguments(_action(actions, "list", "List jobs, newest first", _list))
    _job_argument(_action(actions, "show", "Show a job; exit 1 if it failed", _show))
    _job_argument(_action(actions, "history", "Show what happened to a job", _history))
    _job_argument(_action(actions, "why", "Show why a job does not move, and what to do", _why))
    for name, text in _WISHES.items():
        _wish_arguments(_action(actions, name, text, _operate), name)


def run(args: Namespace) -> int:
    """Do it; the exit code is 3 when there is no such job, 4 when it is not allowed, 5 without an engine."""
    with closing(_api_of(args)) as api:
        return int(args.do(api, args))


# --- arguments --------------------------------------------------------------------------------------------------------


def _action(actions: Any, name: str, text: str, do: Callable[[EngineApi, Namespace], int]) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, description=f"{text}.")
    parser.set_defaults(do=do)
    parser.add_argument("-o", dest="form", choices=("text", "json"), default="text", help="form of the answer")
    parser.add_argument("--url", help="the engine (default: AVTOMAT_URL, else the host and port of the settings)")
    parser.add_argument("--token", help="better said by AVTOMAT_CLIENT_TOKEN: others see the arguments of processes")
    return parser


def _job_argument(parser: ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="the job's id")


def _list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--status", help="only jobs with this status, such as failed or waiting_for_worker")
    parser.add_argument("--blueprint", help="only jobs of this blueprint")
    parser.add_argument("--limit", type=int, default=_LIMIT_DEFAULT, help="how many at most (default: %(default)s)")


def _wish_arguments(parser: ArgumentParser, name: str) -> None:
    """What an operator may say beside the job, for this action."""
    _job_argument(parser)
    parser.add_argument("--reason", help="kept in the job's history")
    if name == "cancel":
        parser.add_argument("--no-compensate", action="store_true", help="do not undo what the job did")
    if name == "rerun":
        parser.add_argument("--state", help="the state to enter (default: the one in which the job stands)")
    if name in {"rerun", "release"}:
        parser.add_argument(
            "--data", type=json_map_argument, metavar="JSON", help="all variables from now on: JSON, @file or -"
        )
    if name == "skip":
        parser.add_argument(
            "--output", type=json_argument, metavar="JSON", help="the state's output (default: null): JSON, @file or -"
        )


def _api_of(args: Namespace) -> EngineApi:
    settings = load_settings(environ=os.environ).settings
    url = args.url or os.environ.get("AVTOMAT_URL") or f"http://{settings.host}:{settings.port}"
    return EngineApi(url, args.token or settings.client_token)


# --- actions ----------------------------------------------------------------------------------------------------------


def _list(api: EngineApi, args: Namespace) -> int:
    query = {"status": args.status, "blueprint": args.blueprint}
    jobs = _pages(api, _JOBS, "jobs", query, args.limit)
    if args.form == "json":
        return _print_json({"jobs": jobs})
    rows = [(job["id"], job["status"], job["blueprint"], job["state"] or "-", job["created_at"]) for job in jobs]
    _print_table(("JOB", "STATUS", "BLUEPRINT", "STATE", "CREATED"), rows)
    return 0


def _show(api: EngineApi, args: Namespace) -> int:
    job = api.get(_path_of(args))
    if args.form == "json":
        _print_json(job)
    else:
        tasks = [] if job["finished_at"] else api.get(_path_of(args) + "/tasks")["tasks"]
        _print_job(job, tasks)
    return _EXIT_FAILED if job["status"] in {"failed", "quarantined"} else 0


def _history(api: EngineApi, args: Namespace) -> int:
    entries = _pages(api, _path_of(args) + "/history", "history", {}, None)
    if args.form == "json":
        return _print_json({"history": entries})
    rows = [(str(each["seq"]), each["at"], each["scope"], each["type"], each["cause"], _said(each)) for each in entries]
    _print_table(("SEQ", "AT", "SCOPE", "EVENT", "CAUSE", "BY"), rows)
    return 0


def _why(api: EngineApi, args: Namespace) -> int:
    told = api.get(_path_of(args) + "/why")
    if args.form == "json":
        return _print_json(told)
    print(f"{told['job_id']} {told['status']}")
    for each in told["causes"]:
        place = each["state"] or each["scope"]
        print(f"  {place}: {each['cause']}: {_visible(each['text'])}\n    hint: {_visible(each['hint'])}")
    return 0


def _operate(api: EngineApi, args: Namespace) -> int:
    """Ask for what the action is named after; a rerun of an ended job makes a new one."""
    given = vars(args)
    body = {name: given[name] for name in ("reason", "state", "data", "output") if given.get(name) is not None}
    if given.get("no_compensate"):
        body["compensate"] = False
    job = api.post(f"{_path_of(args)}/{args.action}", body)
    if args.form == "json":
        return _print_json(job)
    rerun = f" (a rerun of {job['rerun_of']})" if "rerun_of" in job else ""
    print(f"{job.get('id') or job['job_id']} {job['status']}{rerun}")
    return 0


def _path_of(args: Namespace) -> str:
    return f"{_JOBS}/{quote(args.job, safe='')}"


def _pages(api: EngineApi, path: str, name: str, query: Mapping[str, object], limit: int | None) -> list[Json]:
    """All entries, page after page, at most `limit`."""
    found: list[Json] = []
    cursor = None
    while limit is None or len(found) < limit:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = api.get(path, {**query, "limit": wanted, "cursor": cursor})
        found += page[name]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found


# --- how it looks -----------------------------------------------------------------------------------------------------


def _said(entry: Mapping[str, Json]) -> str:
    """Whose wish it was, and why."""
    by, reason = entry.get("by") or "", entry.get("reason")
    return _visible(f"{by}: {reason}" if reason else by)


def _visible(text: str) -> str:
    """The text on one line, with nothing that a terminal would obey: clients and workers wrote parts of it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _print_json(value: Json) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    shown = [heads, *rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    for row in shown:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _print_job(job: Mapping[str, Json], tasks: Iterable[Mapping[str, Json]]) -> None:
    plain = ("id", "status", "blueprint", "version", "state", "priority", "created_at", "updated_at", "finished_at")
    for name in plain:
        if job[name] is not None:
            print(f"{name:<12} {job[name]}")
    for name in ("labels", "input", "data", "outputs", "result", "error"):
        if job[name] not in (None, {}):
            print(f"{name:<12} {_visible(json.dumps(job[name], ensure_ascii=False))}")
    for task in tasks:
        worker = f" by {task['worker']}" if task["worker"] else ""
        print(f"{'task':<12} {task['kind']} attempt {task['attempt']} {task['phase']}{worker} since {task['since']}")
