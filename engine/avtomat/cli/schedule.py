"""`avtomat schedule`: the schedules of an engine over HTTP, and the next times of a blueprint in a file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.help import described
from avtomat.cli.jobs import api_of, common_arguments
from avtomat.cli.jobs.shown import print_json, print_table
from avtomat.core.timestamp import format_time, parse_time, time_hint
from avtomat.diagnostics import Diagnostic, visible
from avtomat.errors import NotFoundError

Json = Any
Do = Callable[[EngineApi, Namespace], int]
SCHEDULES: Final = "/api/v1/schedules"
NEXT_DEFAULT: Final = 10
NEXT_MAX: Final = 1_000
RUNS_SHOWN: Final = 10
_REFUSED: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and the engine to ask, or the file to read."""
    common_arguments(parser, first=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _action(actions, "list", "List schedules: when each runs next, what became of its last run", show_list)
    listing.add_argument("--blueprint", metavar="NAME", help="only those of this blueprint")
    _named(_action(actions, "show", "Show a schedule: its next times and its last runs", show))
    following = _action(actions, "next", "Print the next times of a blueprint's schedules, without an engine", None)
    following.add_argument("file", type=Path, metavar="FILE", help="a blueprint")
    following.add_argument("--name", metavar="NAME", help="only this schedule of the file (default: all)")
    following.add_argument(
        "-n", dest="count", type=_count, metavar="N", default=NEXT_DEFAULT, help="how many (default: %(default)s)"
    )
    following.add_argument("--after", type=_time, metavar="TIME", help="after this time (default: now)")
    pausing = _named(_action(actions, "pause", "Let no run of a schedule begin", pause))
    pausing.add_argument("--reason", metavar="TEXT", default="", help="shown beside the schedule")
    _named(_action(actions, "resume", "Let a paused schedule go on from now; nothing is made up for", resume))
    triggering = _named(_action(actions, "trigger", "Make a job of a schedule now, with its input", trigger))
    triggering.add_argument("--key", metavar="TEXT", help="idempotency key: the same key again is the same job")


def run(args: Namespace) -> int:
    """Do it; the exit code is 3 when there is no such schedule, 1 when a file has errors."""
    if args.do is None:
        return show_next(args)
    with closing(api_of(args)) as api:
        return int(args.do(api, args))


def show_list(api: EngineApi, args: Namespace) -> int:
    """One line for each."""
    query = {} if args.blueprint is None else {"blueprint": args.blueprint}
    found = api.get(SCHEDULES, query)
    if args.form == "json":
        return print_json(found)
    rows = [
        (
            f"{each['blueprint']}/{each['name']}",
            each["cron"],
            each["timezone"],
            "paused" if each["paused"] else next(iter(each["next"]), "-"),
            _last(each["runs"]),
        )
        for each in found["schedules"]
    ]
    print_table(("SCHEDULE", "CRON", "TIMEZONE", "NEXT", "LAST RUN"), rows)
    return 0


def show(api: EngineApi, args: Namespace) -> int:
    """One whole."""
    return _shown(api.get(_path(args)), args)


def pause(api: EngineApi, args: Namespace) -> int:
    """Pause it, and show it."""
    return _shown(api.post(_path(args) + "/pause", {"reason": args.reason} if args.reason else {}), args)


def resume(api: EngineApi, args: Namespace) -> int:
    """Let it go on, and show it."""
    return _shown(api.post(_path(args) + "/resume", {}), args)


def trigger(api: EngineApi, args: Namespace) -> int:
    """Make a job, and say its id."""
    headers = None if args.key is None else {"Idempotency-Key": args.key}
    answer = api.post(_path(args) + "/trigger", {}, headers)
    return print_json(answer) if args.form == "json" else print(answer["job_id"]) or 0


def show_next(args: Namespace) -> int:
    """The next times of a file's schedules, in their zones and in UTC."""
    from avtomat.blueprint.compiler import examine_text
    from avtomat.blueprint.files import read_file
    from avtomat.cli.frames import as_text, sources_of, wants_colour

    content = read_file(args.file)
    if isinstance(content, Diagnostic):
        raise NotFoundError(f"{args.file}: {content.message}")
    examined = examine_text(content)
    if not examined.is_good:
        found = [finding.in_file(str(args.file)) for finding in examined.findings]
        for line in as_text(found, sources_of(found), colour=wants_colour(sys.stderr)):
            print(line, file=sys.stderr)
        return _REFUSED
    schedules = [each for each in examined.program().schedules if args.name in (None, each.name)]
    if not schedules:
        raise NotFoundError(f"{args.file} has no schedule" + (f" {args.name!r}" if args.name else ""))
    told = [_next_of(each, args.after or datetime.now(UTC), args.count) for each in schedules]
    if args.form == "json":
        return print_json(told)
    for each in told:
        print(f"{each['name']}  {each['cron']}  {each['timezone']}")
        for moment in each["next"]:
            print(f"  {moment['local']}  {moment['at']}")
    return 0


def _next_of(schedule: Any, after: datetime, count: int) -> dict[str, Json]:
    from avtomat.blueprint.language.zones import local_time
    from avtomat.blueprint.schedules.timetable import timetable_of

    moments = islice(timetable_of(schedule.cron, schedule.timezone).all_after(after), count)
    following = [
        {"at": format_time(each), "local": local_time(each, schedule.timezone).isoformat(timespec="minutes")}
        for each in moments
    ]
    return {"name": schedule.name, "cron": schedule.cron, "timezone": schedule.timezone, "next": following}


def _shown(schedule: Mapping[str, Json], args: Namespace) -> int:
    if args.form == "json":
        return print_json(schedule)
    for name in ("blueprint", "name", "cron", "timezone", "overlap", "catch_up", "jitter"):
        if schedule[name] is not None:
            print(f"{name:<10} {schedule[name]}")
    if schedule["paused"]:
        why = f": {visible(schedule['paused']['reason'])}" if schedule["paused"]["reason"] else ""
        print(f"{'paused':<10} by {schedule['paused']['by']} since {schedule['paused']['at']}{why}")
    for moment in schedule["next"]:
        print(f"{'next':<10} {moment}")
    for moment in schedule["waiting"]:
        print(f"{'waiting':<10} {moment}")
    for run_ in schedule["runs"][:RUNS_SHOWN]:
        print(f"{'run':<10} {_last([run_])}")
    return 0


def _last(runs: list[Mapping[str, Json]]) -> str:
    if not runs:
        return "-"
    run_ = runs[0]
    count = f" ({run_['count']})" if run_["count"] > 1 else ""
    told = run_["job_id"] if run_["outcome"] == "started" else run_["reason"] or ""
    return f"{run_['scheduled_for']} {run_['outcome']}{count} {visible(told)}".rstrip()


def _path(args: Namespace) -> str:
    blueprint, name = args.schedule
    return f"{SCHEDULES}/{quote(blueprint, safe='')}/{quote(name, safe='')}"


def _action(actions: Any, name: str, text: str, do: Do | None) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, **described(text))
    parser.set_defaults(do=do)
    common_arguments(parser)
    return parser


def _named(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("schedule", type=_schedule, metavar="BLUEPRINT/NAME", help="the schedule")
    return parser


def _schedule(text: str) -> tuple[str, str]:
    blueprint, slash, name = text.partition("/")
    if not (blueprint and slash and name) or "/" in name:
        raise ArgumentTypeError(f"{text!r} is no schedule: write BLUEPRINT/NAME, as `avtomat schedule list` shows it")
    return blueprint, name


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= NEXT_MAX:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {NEXT_MAX}")
    return int(text)


def _time(text: str) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is no time: {time_hint(text)}")
    return moment
