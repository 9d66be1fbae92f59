"""`python -m avtomat_worker app:worker`: run the worker of a module, in several processes, and follow its code."""

from __future__ import annotations

import argparse
import importlib
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avtomat_worker.compat import Worker as CompatWorker
from avtomat_worker.errors import EngineRefusedError
from avtomat_worker.supervisor import CANNOT_BEGIN, Supervisor, command
from avtomat_worker.worker import Worker


def main(words: Sequence[str] | None = None) -> int:
    """0 after a stop, 2 for a worker that cannot begin: a target that is none, a token that is not taken."""
    args = _parser().parse_args(words)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if args.number is None and (args.reload or args.processes > 1):

        def start(number: int) -> subprocess.Popen[bytes]:
            return subprocess.Popen(command(args.target, number))  # noqa: S603 - this program itself

        return Supervisor(start, args.processes, Path.cwd() if args.reload else None).run()
    try:
        worker = _worker_of(args.target)
        if args.number:
            worker.worker_id = f"{worker.worker_id}-{args.number}"
        worker.run()
    except (EngineRefusedError, _TargetError) as error:
        print(f"avtomat_worker: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return CANNOT_BEGIN
    return 0


class _TargetError(Exception):
    """The target is not what it should be."""


def _worker_of(target: str) -> Worker:
    name, colon, attribute = target.partition(":")
    if not (name and colon and attribute):
        raise _TargetError(f"{target!r} is not MODULE:NAME, such as app:worker")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] and error.name != name:
            raise
        raise _TargetError(f"there is no module {name!r} here or among the installed ones") from error
    found: Any = getattr(module, attribute, None)
    if isinstance(found, CompatWorker):
        return found.native
    if not isinstance(found, Worker):
        raise _TargetError(f"{attribute!r} of {name} is {type(found).__name__}, not a Worker")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m avtomat_worker", description=__doc__)
    parser.add_argument("target", metavar="MODULE:NAME", help="where the worker is, such as app:worker")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="so many, each with its concurrency")
    parser.add_argument("--reload", action="store_true", help="start again when Python code below this folder changes")
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
