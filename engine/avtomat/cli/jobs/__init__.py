"""`avtomat jobs`: submit, list, show, follow, explain and operate the jobs of an engine, over HTTP."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import acting, reading, submitting
from avtomat.cli.json_argument import json_argument, json_map_argument
from avtomat.settings_loader import load_settings

LIMIT_DEFAULT: Final = 50
_VERBS: Final = {
    "cancel": "End a job as cancelled, after undoing what it did",
    "pause": "Pause a job",
    "resume": "Resume a paused job",
    "retry": "Let a quarantined job try again what failed",
    "release": "Let a quarantined job try again, with other variables or an undo's params",
    "rerun": "Enter a state of an open job anew; run an ended one again, as a new job",
    "skip": "Take a job's state as done, with a given output",
}

Do = Callable[[EngineApi, Namespace], int]


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _submit_arguments(_action(actions, "submit", "Submit a job, and wait for its end or follow it", submitting.submit))
    _list_arguments(_action(actions, "list", "List jobs, newest first", reading.show_list))
    _job_argument(_action(actions, "show", "Show a job; exit code 1 if it failed", reading.show))
    _job_argument(_action(actions, "tasks", "Show a job's open tasks: who works on what, since when", reading.tasks))
    _job_argument(_action(actions, "history", "Show what happened to a job", reading.history))
    _job_argument(_action(actions, "why", "Show why a job does not move, and what to do", reading.why))
    _wait_arguments(_action(actions, "wait", "Wait for a job's end; exit code 1 if it failed", submitting.wait))
    _job_argument(_action(actions, "follow", "Show what happens to a job until its end", submitting.follow))
    for name, text in _VERBS.items():
        _verb_arguments(_action(actions, name, text, acting.operate), name)


def run(args: Namespace) -> int:
    """Do it; the exit code is 3 when there is no such job, 4 when it is not allowed, 5 without an engine."""
    with closing(api_of(args)) as api:
        return int(args.do(api, args))


def api_of(args: Namespace) -> EngineApi:
    """The engine that flags, variables or settings name."""
    settings = load_settings(environ=os.environ).settings
    url = args.url or os.environ.get("AVTOMAT_URL") or f"http://{settings.host}:{settings.port}"
    return EngineApi(url, args.token or settings.client_token)


def common_arguments(parser: ArgumentParser, *, first: bool = False) -> None:
    """Flags that may stand before the action and behind it; the later ones count."""

    def default(value: Any) -> Any:
        return value if first else SUPPRESS

    parser.add_argument(
        "-o",
        dest="form",
        choices=("text", "json"),
        default=default("text"),
        help="form of the answer (default: text)",
    )
    parser.add_argument(
        "--url",
        default=default(None),
        help="the engine (default: AVTOMAT_URL, else the host and port of the settings)",
    )
    parser.add_argument(
        "--token",
        default=default(None),
        help="a client's token (default: AVTOMAT_CLIENT_TOKEN, which others do not see in the list of processes)",
    )


def _action(actions: Any, name: str, text: str, do: Do) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, **described(text))
    parser.set_defaults(do=do)
    common_arguments(parser)
    return parser


def _job_argument(parser: ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="the job's id, or at least 4 of its first characters")


def _submit_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("blueprint", metavar="BLUEPRINT", help="the name of the blueprint")
    parser.add_argument(
        "--input", type=json_argument, metavar="JSON", default={}, help="JSON, @file or - (default: an empty map)"
    )
    parser.add_argument("--key", metavar="TEXT", help="idempotency key: the same key again is the same job")
    parser.add_argument(
        "--label", action="append", type=_label, metavar="NAME=TEXT", default=[], help="may be repeated"
    )
    parser.add_argument("--priority", type=int, metavar="0-9", help="9 first (default: the blueprint's)")
    parser.add_argument("--timeout", metavar="DURATION", help="the job's deadline from now, such as 90s or 1h30m")
    parser.add_argument("--start-at", metavar="TIME", help="not before this time, such as 2026-01-31T23:00:00Z")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--wait", action="store_true", help="wait for the end and print the job; exit code 1 if it failed"
    )
    ways.add_argument("--follow", action="store_true", help="show what happens until the end; exit code 1 if it failed")


def _list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--status", help="only jobs with this status, such as failed or waiting_for_worker")
    parser.add_argument("--blueprint", help="only jobs of this blueprint")
    parser.add_argument(
        "--limit", type=_count, metavar="N", default=LIMIT_DEFAULT, help="how many at most (default: %(default)s)"
    )


def _wait_arguments(parser: ArgumentParser) -> None:
    _job_argument(parser)
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="DURATION",
        help="give up after this long, with exit code 124 (default: wait for as long as it takes)",
    )


def _verb_arguments(parser: ArgumentParser, name: str) -> None:
    """What an operator may say beside the job, for this action."""
    _job_argument(parser)
    parser.add_argument("--reason", metavar="TEXT", help="kept in the job's history")
    if name == "cancel":
        parser.add_argument("--no-compensate", action="store_true", help="do not undo what the job did")
    if name == "rerun":
        parser.add_argument("--state", help="the state to enter (default: the one in which the job stands)")
    if name in {"rerun", "release"}:
        parser.add_argument(
            "--data", type=json_map_argument, metavar="JSON", help="all variables from now on: JSON, @file or -"
        )
    if name == "release":
        parser.add_argument(
            "--params", type=json_argument, metavar="JSON", help="the params of an undo that fails: JSON, @file or -"
        )
    if name == "skip":
        parser.add_argument(
            "--output", type=json_argument, metavar="JSON", help="the state's output: JSON, @file or - (default: null)"
        )


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"expected NAME=TEXT, found {text!r}")
    return name, value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    from avtomat.core.duration import duration_hint, parse_duration

    span = parse_duration(text)
    if span is None:
        raise ArgumentTypeError(duration_hint(text) or f"expected a duration such as 90s or 1h30m, found {text!r}")
    return span.total_seconds()
