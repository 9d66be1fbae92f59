"""`avtomat signal`: send a signal to a job of an engine, over HTTP."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing
from urllib.parse import quote

from avtomat.cli.jobs import api_of, common_arguments
from avtomat.cli.jobs.found import path_of
from avtomat.cli.jobs.shown import print_json
from avtomat.cli.json_argument import json_argument


def add_arguments(parser: ArgumentParser) -> None:
    """The job, the signal, and what it says."""
    common_arguments(parser, first=True)
    parser.add_argument("job", metavar="JOB", help="the job's id, or at least 4 of its first characters")
    parser.add_argument("name", metavar="NAME", help="the name of the signal, as in `signal: NAME`")
    parser.add_argument(
        "--payload", type=json_argument, metavar="JSON", help="JSON, @file or - (default: null): the state's output"
    )
    parser.add_argument("--key", metavar="TEXT", help="the key, where the state has one")
    parser.add_argument("--id", metavar="TEXT", help="the same id again is the same signal, which is used once")


def run(args: Namespace) -> int:
    """Send it; the exit code is 3 when there is no such job or signal, 1 when the job cannot use it."""
    given = {"payload": args.payload, "key": args.key, "id": args.id}
    body = {name: value for name, value in given.items() if value is not None}
    with closing(api_of(args)) as api:
        answer = api.post(f"{path_of(api, args.job)}/signals/{quote(args.name, safe='')}", body)
    if args.form == "json":
        return print_json(answer)
    print(f"{answer['job_id']} {answer['signal']} {answer['status']}")
    return 0
