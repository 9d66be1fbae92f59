"""`avtomat worker`: do tasks with shell commands, for an engine anywhere, in any language and without an SDK.

The rules of the commands (JSON in, JSON out, exit codes) are those of `avtomat.cli.shell_task`.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser, Namespace

from avtomat.cli.exec_flag import add_exec_flag
from avtomat.cli.exec_task import exec_task
from avtomat.cli.setting_flags import add_setting_flags, settings_of
from avtomat.cli.shell_task import secret_variables
from avtomat.errors import AvtomatError, UsageError
from avtomat_worker import EngineRefusedError, Limits, Worker


class _NotAllowedError(AvtomatError):
    """The engine does not accept the worker's token."""

    default_code = "auth.refused"
    exit_code = 4


def add_arguments(parser: ArgumentParser) -> None:
    """Where the engine is, what this worker can do, and how much of it at a time."""
    parser.add_argument("--url", help="the engine's address (default: AVTOMAT_URL, else host and port of the settings)")
    add_exec_flag(parser, required=True)
    parser.add_argument("--token", help="the worker's token; AVTOMAT_WORKER_TOKEN is not seen by others in `ps`")
    parser.add_argument(
        "--worker-id", metavar="ID", help="name of this worker (default: host, process and random digits)"
    )
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="commands at a time (default: 1)")
    parser.add_argument(
        "--drain", type=float, default=Limits().drain_s, metavar="SECONDS", help="time to finish after SIGTERM"
    )
    add_setting_flags(parser)


def run(args: Namespace) -> int:
    """Work until SIGTERM or SIGINT; 4 when the engine does not accept the token, 2 when it is no engine."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        worker = _worker(args)
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        worker.run()
    except EngineRefusedError as error:
        if error.is_about_the_token:
            raise _NotAllowedError(str(error), hint="give the worker's token in AVTOMAT_WORKER_TOKEN") from error
        raise UsageError(str(error), hint="is --url the address of an engine?") from error
    return 0


def _worker(args: Namespace) -> Worker:
    settings = settings_of(args)
    worker = Worker(
        args.url or os.environ.get("AVTOMAT_URL") or f"http://{settings.host}:{settings.port}",
        token=args.token or settings.worker_token,
        worker_id=args.worker_id,
        concurrency=args.concurrency,
        limits=Limits(drain_s=args.drain),
    )
    withheld = secret_variables(settings)
    for each in args.commands:
        worker.task(each.kind)(exec_task(each.kind, each.text, withheld))
    return worker
