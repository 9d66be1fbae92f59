"""Run the benchmarks and show what they found; docs/benchmarks.md says what each case is.

python -m tests.benchmarks [--quick] [--json FILE] [--profile CASE] [CASE …]
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tests.benchmarks.cases import CASES, DEFAULT, FULL, QUICK, Bench
from tests.benchmarks.figures import Row, table
from tests.benchmarks.load import BenchmarkError
from tests.benchmarks.machine import divide
from tests.benchmarks.profiles import PROFILED, profile
from tests.benchmarks.stage import REDIS
from tests.servers import redis_server_found

CASE_S_MAX = 600


def main() -> int:
    """Measure, print the table, write the JSON; 1 when a case failed."""
    args = _arguments()
    if not redis_server_found():
        print("the benchmarks need a redis-server on the PATH", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    cores = divide()
    if cores.engine == cores.others:
        print("one core only: the engine shares it with the load, and the figures with it", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="avtomat-bench-") as folder:
        if args.profile:
            for line in profile(args.profile, cores, Path(folder)):
                print(line)
            return 0
        with ExitStack() as stages:
            bench = Bench(QUICK if args.quick else FULL, cores, Path(folder), stages)
            rows, failures = _measured(bench, args.cases or DEFAULT)
    for line in (*table(rows), *failures):
        print(line)
    if args.json:
        args.json.write_text(json.dumps({"quick": args.quick, "rows": [row.as_json() for row in rows]}, indent=2))
    return 1 if failures else 0


def _measured(bench: Bench, names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows of the cases, and a line for each that failed. What was measured before an interruption is kept."""
    rows: list[Row] = []
    failures: list[str] = []
    try:
        uvloop.run(_measure(bench, names, rows, failures))
    except KeyboardInterrupt:
        failures.append("interrupted: the other cases were not measured")
    return rows, failures


async def _measure(bench: Bench, names: Sequence[str], rows: list[Row], failures: list[str]) -> None:
    for name in names:
        print(f"({name}) …", end="", file=sys.stderr, flush=True)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(CASE_S_MAX):
                rows += await CASES[name](bench, REDIS)
        except (BenchmarkError, TimeoutError, OSError, ExceptionGroup) as error:
            failures.append(f"({name}) failed: {_first(error)!r}")
        print(f" {time.perf_counter() - began:.0f} s", file=sys.stderr)


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.benchmarks", description="What jobs cost, beside a bare handler.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(DEFAULT)}: all without; p: Celery")
    parser.add_argument("--quick", action="store_true", help="a minute: fewer and shorter rounds, smaller stores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--profile", choices=PROFILED, help="show where the engine's time goes instead")
    args = parser.parse_args()
    unknown = [name for name in args.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; there are {', '.join(CASES)}")
    return args


if __name__ == "__main__":
    sys.exit(main())
