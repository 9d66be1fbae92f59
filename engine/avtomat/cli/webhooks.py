"""`avtomat webhooks`: see what is sent of jobs to endpoints, and send again what nobody took, over HTTP."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import LIMIT_DEFAULT, api_of, common_arguments
from avtomat.cli.jobs.found import pages
from avtomat.cli.jobs.shown import print_json, print_table
from avtomat.diagnostics import visible

Json = Any
Do = Callable[[EngineApi, Namespace], int]
WEBHOOKS: Final = "/api/v1/webhooks"
_FIELDS: Final = ("id", "job_id", "endpoint", "url", "status", "error_code", "sent", "dead", "resend_of", "updated_at")


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _action(actions, "list", "List what is sent of jobs to endpoints, newest first", show_list)
    listing.add_argument("--job", metavar="JOB", help="only of this job: its whole id")
    listing.add_argument("--endpoint", metavar="NAME", help="only to this endpoint")
    listing.add_argument("--status", metavar="WORD", help="only of this status, such as failed")
    listing.add_argument("--limit", type=int, default=LIMIT_DEFAULT, metavar="N", help="how many at most")
    _id_argument(_action(actions, "show", "Show how the events of a job are sent, and which nobody took", show))
    _id_argument(_action(actions, "resend", "Send again what nobody took", resend))


def run(args: Namespace) -> int:
    """Do it; the exit code is 3 when there is none of this id, 1 when nothing is to be sent again."""
    with closing(api_of(args)) as api:
        return int(args.do(api, args))


def show_list(api: EngineApi, args: Namespace) -> int:
    """One line for each."""
    query = {"job": args.job, "endpoint": args.endpoint, "status": args.status}
    found = list(islice(pages(api, WEBHOOKS, "webhooks", query), args.limit))
    if args.form == "json":
        return print_json(found)
    rows = [
        (each["id"], each["job_id"], each["endpoint"], each["status"], str(each["sent"]), str(each["dead"]))
        for each in found
    ]
    print_table(("ID", "JOB", "ENDPOINT", "STATUS", "SENT", "DEAD"), rows)
    return 0


def show(api: EngineApi, args: Namespace) -> int:
    """One of them, with its dead letters."""
    return _print(api.get(f"{WEBHOOKS}/{quote(args.webhook, safe='')}"), args)


def resend(api: EngineApi, args: Namespace) -> int:
    """Send its dead letters again, once even if the request is repeated on its way."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    return _print(api.post(f"{WEBHOOKS}/{quote(args.webhook, safe='')}/resend", {}, key), args)


def _print(webhook: Mapping[str, Json], args: Namespace) -> int:
    if args.form == "json":
        return print_json(webhook)
    for name in _FIELDS:
        if webhook.get(name) is not None:
            print(f"{name:<12} {visible(str(webhook[name]))}")
    for letter in webhook["dead_letters"]:
        print(f"{'dead letter':<12} {letter['id']} {letter['type']} {letter['at']} {visible(letter['message'])}")
    return 0


def _action(actions: Any, name: str, text: str, do: Do) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, **described(text))
    parser.set_defaults(do=do)
    common_arguments(parser)
    return parser


def _id_argument(parser: ArgumentParser) -> None:
    parser.add_argument("webhook", metavar="ID", help="the id, as `avtomat webhooks list` shows it")
