"""`avtomat run`: run one job of a blueprint to its end, in this process, without a server and without a store.

Progress goes to stderr, the result to stdout. Ends with 0 when the job finished, 1 when it failed, was cancelled or
quarantined (or the file has errors), 124 when `--timeout` passed, 130 or 143 after a signal: the job is cancelled
then, and what runs for it is killed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.findings.finding import Finding
from avtomat.cli.asked_tasks import kinds_of, without_requirements
from avtomat.cli.exec_flag import add_exec_flag, by_kind
from avtomat.cli.exec_task import exec_task
from avtomat.cli.frames import as_text, wants_colour
from avtomat.cli.json_argument import json_argument, json_map_argument
from avtomat.cli.setting_flags import add_setting_flags, settings_of
from avtomat.cli.shell_task import secret_variables
from avtomat.core.duration import duration_hint, parse_duration
from avtomat.core.formula import Json
from avtomat.core.program import Program
from avtomat.embedding import Engine
from avtomat.errors import NotFoundError, UsageError
from avtomat.logs import set_up_logs
from avtomat.runtime.people.narration import Narrator
from avtomat.settings import Settings
from avtomat.suggest import did_you_mean

EXIT_FAILED: Final = 1
EXIT_TIMEOUT: Final = 124


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The job as it was left, and the exit code that says why."""

    job: Mapping[str, Json]
    exit_code: int


def add_arguments(parser: ArgumentParser) -> None:
    """The blueprint, the job's input, the commands that do its tasks, and what is shown."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the blueprint")
    parser.add_argument(
        "--input", metavar="JSON", type=json_argument, default={}, help="the job's input: JSON, @file or - for stdin"
    )
    add_exec_flag(parser, required=False)
    parser.add_argument(
        "--config",
        metavar="JSON",
        type=json_map_argument,
        default={},
        help="constants (JSON, @file or -) beside and instead of those in avtomat.toml",
    )
    parser.add_argument("--concurrency", type=_number, default=4, metavar="N", help="commands at a time (default: 4)")
    parser.add_argument("--timeout", type=_span, metavar="DURATION", help="cancel the job then, and end with 124")
    parser.add_argument("-o", dest="form", choices=("text", "json"), default="text", help="result, or the whole job")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_setting_flags(parser)


def run(args: Namespace) -> int:
    """Run the job; see the module's text for exit codes."""
    program = _compile(args.file)
    if program is None:
        return EXIT_FAILED
    commands = by_kind(args.commands)
    _refuse_gaps(kinds_of(program), commands)
    settings = settings_of(args)
    settings = replace(settings, config={**settings.config, **args.config})
    set_up_logs(settings, level="warning")
    ending = asyncio.run(_run(settings, program, commands, args))
    _print_job(ending.job, args.form)
    return ending.exit_code


# --- before it begins -------------------------------------------------------------------------------------------------


def _compile(file: Path) -> Program | None:
    """The program; None after findings that refuse the file, which are on stderr then."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{file}: {error.strerror}") from None
    examined = examine_text(content)
    program = examined.built() if examined.is_good else None
    found = (*examined.findings, program) if isinstance(program, Finding) else examined.findings
    findings = [finding.in_file(str(file)) for finding in found]
    sources = {str(file): content.decode("utf-8", "replace").replace("\r\n", "\n")}
    for text in as_text(findings, sources, colour=wants_colour(sys.stderr)):
        print(text, end="\n\n", file=sys.stderr)
    return program if isinstance(program, Program) else None


def _refuse_gaps(kinds: Iterable[str], commands: Mapping[str, str]) -> None:
    """A task without a command would wait for ever; a command without a task is a slip of the pen."""
    missing = [kind for kind in kinds if kind not in commands]
    if missing:
        hint = " ".join(f"--exec {kind}='command'" for kind in missing)
        raise UsageError(f"no command does the tasks of {', '.join(missing)}", hint=f"add {hint}")
    for kind in commands:
        if kind not in kinds:
            meant = did_you_mean(kind, kinds)
            hint = f"did you mean {meant}?" if meant else f"it asks for {', '.join(kinds) or 'none at all'}"
            raise UsageError(f"the blueprint asks for no task of the kind {kind}", hint=hint)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise ArgumentTypeError("expected a number from 1 to 100")
    return int(text)


def _span(text: str) -> timedelta:
    span = parse_duration(text)
    if not span:
        raise ArgumentTypeError(f"expected a duration: {duration_hint(text)}")
    return span


# --- the job ----------------------------------------------------------------------------------------------------------


async def _run(settings: Settings, program: Program, commands: Mapping[str, str], args: Namespace) -> Ending:
    """A command does a task wherever it runs, so what `worker` asks of workers is not asked here."""
    settings, withheld = replace(settings, history=None, partitions=1), secret_variables(settings)
    async with Engine(args.file, settings=settings, concurrency=args.concurrency) as engine:
        alone = replace(without_requirements(program), schedules=())
        await engine.service.programs.swap({program.name: alone})
        for kind, command in commands.items():
            engine.task(kind)(exec_task(kind, command, withheld))
        return await _watch(engine, await engine.submit(program.name, args.input), args)


async def _watch(engine: Engine, job_id: str, args: Namespace) -> Ending:
    """Show the job until it ends, or until time or a signal ends it."""
    interrupted = _signals()
    following = asyncio.create_task(_follow(engine, job_id, quiet=args.quiet))
    timeout_s = None if args.timeout is None else args.timeout.total_seconds()
    awaited: set[asyncio.Future[Any]] = {following, interrupted}
    done, _ = await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if following in done:
        job = following.result()
        return Ending(job=job, exit_code=0 if job["status"] == "finished" else EXIT_FAILED)
    exit_code, reason = (
        (128 + interrupted.result(), "interrupted") if interrupted in done else (EXIT_TIMEOUT, "timeout")
    )
    await engine.cancel(job_id, reason)
    return Ending(job=await following, exit_code=exit_code)


def _signals() -> asyncio.Future[int]:
    """The number of the first SIGINT or SIGTERM that comes."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[int] = loop.create_future()

    def take(number: int) -> None:
        if not came.done():
            came.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, take, number)
    return came


# --- what is shown ----------------------------------------------------------------------------------------------------


async def _follow(engine: Engine, job_id: str, *, quiet: bool) -> Mapping[str, Json]:
    """Show what happens to the job until it has ended or is quarantined; return it."""
    narrator = Narrator(colour=wants_colour(sys.stderr))
    async for entry in engine.follow(job_id):
        for line in narrator.lines(entry):
            if not quiet:
                print(line, file=sys.stderr, flush=True)
    return await engine.job(job_id)


def _print_job(job: Mapping[str, Json], form: str) -> None:
    """The whole job as JSON, or its result on stdout and its error on stderr."""
    if form == "json":
        print(_json(job))
    elif job["status"] == "finished":
        print(_json(job["result"]))
    else:
        print(f"avtomat: the job is {job['status']}{_why(job['error'])}", file=sys.stderr)


def _why(error: Json) -> str:
    if not error:
        return ""
    place = f" (in {error['state']})" if error.get("state") else ""
    return f": {error['code']}{place}" + (f": {error['message']}" if error.get("message") else "")


def _json(value: Json) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
