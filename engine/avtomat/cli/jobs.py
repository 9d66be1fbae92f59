"""`avtomat jobs`: list, show and cancel the jobs of an engine, and read their history, over HTTP."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.settings_loader import load_settings

Json = Any
_JOBS: Final = "/api/v1/jobs"
_PAGE: Final = 200
_LIMIT_DEFAULT: Final = 50
_EXIT_FAILED: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _list_arguments(_action(actions, "list", "List jobs, newest first", _list))
    _job_argument(_action(actions, "show", "Show a job; exit 1 if it failed", _show))
    _job_argument(_action(actions, "history", "Show what happened to a job", _history))
    cancel = _action(actions, "cancel", "End a job as cancelled", _cancel)
    _job_argument(cancel)
    cancel.add_argument("--reason", default="", help="kept in the job's history")


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
    rows = [(str(each["seq"]), each["at"], each["scope"], each["type"], each["cause"]) for each in entries]
    _print_table(("SEQ", "AT", "SCOPE", "EVENT", "CAUSE"), rows)
    return 0


def _cancel(api: EngineApi, args: Namespace) -> int:
    job = api.post(_path_of(args) + "/cancel", {"reason": args.reason} if args.reason else {})
    if args.form == "json":
        return _print_json(job)
    print(f"{job['id']} {job['status']}")
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
            print(f"{name:<12} {json.dumps(job[name], ensure_ascii=False)}")
    for task in tasks:
        worker = f" by {task['worker']}" if task["worker"] else ""
        print(f"{'task':<12} {task['kind']} attempt {task['attempt']} {task['phase']}{worker} since {task['since']}")
