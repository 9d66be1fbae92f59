"""`avtomat conformance`: see whether a worker, in whatever language, keeps to the worker protocol."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from avtomat.cli.help import described
from avtomat.diagnostics import visible
from avtomat.errors import UsageError
from avtomat.suggest import did_you_mean

if TYPE_CHECKING:
    from avtomat.conformance.check import Check
    from avtomat.conformance.suite import Report

_TEXT: Final = "Run a worker beside a scripted engine, and say where it violates the worker protocol"
_EXAMPLES: Final = (
    "avtomat conformance worker --command 'node my-conformance-worker.mjs'",
    "avtomat conformance worker --command ./worker.sh --concurrency 1 --only keeps_the_lease",
    "avtomat conformance worker --list",
)


def add_arguments(parser: ArgumentParser) -> None:
    """What is tested, and by which checks."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    worker = actions.add_parser("worker", help=_TEXT, **described(_TEXT, _EXAMPLES))
    worker.add_argument(
        "--command",
        type=_command,
        metavar="COMMAND",
        help="starts the worker; split as a shell would, without a shell",
    )
    worker.add_argument("--only", action="append", metavar="NAME", default=[], help="this check; may be repeated")
    worker.add_argument(
        "--concurrency", type=_count, default=4, metavar="N", help="tasks that it runs at a time (default: %(default)s)"
    )
    worker.add_argument("--lanes", type=_count, default=8, metavar="N", help="checks at a time (default: %(default)s)")
    worker.add_argument(
        "--patience",
        type=_count,
        default=10,
        metavar="SECONDS",
        help="time limit for what must happen (default: %(default)s); more for a slow machine",
    )
    worker.add_argument(
        "--signing",
        action="store_true",
        help="tell it to sign its messages (AVTOMAT_WORKER_SIGNING=1), and look at them",
    )
    worker.add_argument("--list", action="store_true", help="print the checks and what they demand instead")
    worker.add_argument("-o", "--output", choices=("text", "json"), default="text", dest="form", help="default: text")


def run(args: Namespace) -> int:
    """0 when the worker keeps to the protocol, 1 when it does not."""
    from avtomat.conformance.suite import CHECKS, Trial, run_checks

    checks = _chosen(args.only, CHECKS)
    if args.list:
        print(
            _as_json(checks) if args.form == "json" else "\n".join(f"{each.name}\n  {each.demand}" for each in checks)
        )
        return 0
    if args.command is None:
        raise UsageError("there is no worker to test", hint="name what starts it with --command")
    is_json = args.form == "json"
    trial = Trial(
        command=args.command,
        concurrency=args.concurrency,
        lanes=args.lanes,
        patience_s=args.patience,
        signing=args.signing,
        told=_to_stderr if is_json else _to_stdout,
    )
    reports = asyncio.run(run_checks(trial, checks))
    failed = sum(report.verdict == "failed" for report in reports)
    left = len(checks) - len(reports)
    if is_json:
        print(json.dumps([_report_as_json(report) for report in reports], indent=2, ensure_ascii=False))
    else:
        print(_summary(reports, failed, left))
    return 1 if failed or left else 0


def _chosen(names: Sequence[str], checks: Sequence[Check]) -> list[Check]:
    known = {check.name: check for check in checks}
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known)
            raise UsageError(
                f"there is no check {name!r}", hint=f"did you mean {meant}?" if meant else "--list names them"
            )
    return [check for check in checks if not names or check.name in names]


def _to_stdout(report: Report) -> None:
    print("\n".join(_lines(report)), flush=True)


def _to_stderr(report: Report) -> None:
    print("\n".join(_lines(report)), file=sys.stderr, flush=True)


def _lines(report: Report) -> list[str]:
    lines = [f"{report.verdict:<11}  {report.took_s:5.1f} s  {report.check.name}"]
    if report.verdict == "good":
        return lines
    lines += [f"  demanded: {report.check.demand}"] if report.verdict == "failed" else []
    lines.append(f"  seen: {visible(report.seen)}")
    return lines + [f"  | {visible(line)}" for line in report.output.splitlines()[-10:]]


def _summary(reports: Sequence[Report], failed: int, left: int) -> str:
    not_offered = sum(report.verdict == "not offered" for report in reports)
    parts = [f"{len(reports) - failed - not_offered} good"]
    parts += [f"{not_offered} not offered"] if not_offered else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{left} not run, because the worker does not come up"] if left else []
    return f"{len(reports)} checks: {', '.join(parts)}"


def _as_text(checks: Sequence[Check]) -> str:
    return "\n".join(f"{each.name}\n  {each.demand}" for each in checks)


def _as_json(checks: Sequence[Check]) -> str:
    return json.dumps([{"name": each.name, "demand": each.demand} for each in checks], indent=2, ensure_ascii=False)


def _report_as_json(report: Report) -> dict[str, Any]:
    return {
        "name": report.check.name,
        "demand": report.check.demand,
        "verdict": report.verdict.replace(" ", "_"),
        "seen": report.seen,
        "output": report.output,
        "took_s": round(report.took_s, 2),
    }


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentTypeError(f"it cannot be split into words: {error}") from None
    if not words:
        raise ArgumentTypeError("it is empty")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)
