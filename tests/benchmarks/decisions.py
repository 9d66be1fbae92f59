"""Measure what docs/decisions/ says about libraries that were taken, and about parts that were written instead.

python -m tests.benchmarks.decisions [--rounds N] [PART …]

Each line compares ours with another way to do the same, in one run: both do the same work in turns, each pair of turns
gives a ratio of CPU time (of this process, which has one thread), and the line shows the median of them with its
quartiles. Both results are compared before. A ratio over 1 says that the other way costs so many times more.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import uvloop
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from redis.asyncio import Redis
from ruamel.yaml import YAML
from simpleeval import EvalWithCompoundTypes

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.blueprint.schemas.checked import SchemaCheck
from avtomat.blueprint.yaml.nodes import Mapping
from avtomat.blueprint.yaml.source import read_source
from avtomat.core.formula import Environment, Json, Rendered
from avtomat.resources import schema_text
from avtomat.storage.redis.script import script_of
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.url import parse_redis_url
from tests.benchmarks.validate_speed import blueprint_text
from tests.servers import RedisServer, redis_server_found

ROUNDS = 15
ROUNDS_MIN = 9
TURN_S = 0.1
"""How long a turn takes, about: each side does as many repetitions as fill it."""
AT_ONCE = 32

Work = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One line: the CPU time of one repetition of each, in µs, and the ratio of the other to ours."""

    what: str
    ours_us: float
    other_us: float
    ratios: tuple[float, float, float]

    def __str__(self) -> str:
        low, middle, high = self.ratios
        figures = f"{_us(self.ours_us):>10}  {_us(self.other_us):>10}  {middle:6.2f} × ({low:.2f}–{high:.2f})"
        return f"{self.what:<80}{figures}"


def _us(value: float) -> str:
    return f"{value / 1000:,.2f} ms" if value >= 1000 else f"{value:.2f} µs"


def compare(what: str, ours: Work, other: Work, rounds: int) -> Compared:
    """Let both work in turns; which of them begins changes from pair to pair."""
    ours_times, other_times = _times(ours), _times(other)
    pairs = []
    for turn in range(rounds):
        if turn % 2 == 0:
            ours_s, other_s = _cpu_s(ours, ours_times), _cpu_s(other, other_times)
        else:
            other_s, ours_s = _cpu_s(other, other_times), _cpu_s(ours, ours_times)
        pairs.append((ours_s / ours_times, other_s / other_times))
    return Compared(
        what=what,
        ours_us=statistics.median(ours_s for ours_s, _ in pairs) * 1e6,
        other_us=statistics.median(other_s for _, other_s in pairs) * 1e6,
        ratios=_quartiles([other_s / ours_s for ours_s, other_s in pairs]),
    )


def _quartiles(ratios: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return low, middle, high


def _times(work: Work) -> int:
    """How many repetitions fill a turn."""
    times = 1
    while (took := _cpu_s(work, times)) < TURN_S / 4:
        times *= 2
    return max(1, round(times * TURN_S / took))


def _cpu_s(work: Work, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - began


# --- (a) reading YAML ------------------------------------------------------------------------------------------------


def yaml_lines(rounds: int) -> Iterator[Compared]:
    """The builder over the events of the C parser, beside the loaders of ruamel.yaml."""
    text = blueprint_text(1_000)

    def ours() -> Any:
        root = read_source(text).root
        assert root is not None
        return root.value

    def round_trip() -> Any:
        return YAML(typ="rt").load(StringIO(text))

    def plain() -> Any:
        return YAML(typ="safe").load(StringIO(text))

    assert ours() == round_trip() == plain()
    lines = len(text.splitlines())
    yield compare(f"read {lines} lines of YAML: the builder; the round-trip loader", ours, round_trip, rounds)
    yield compare("the same: the builder; the safe loader over libyaml, without positions", ours, plain, rounds)


# --- (b) Redis -------------------------------------------------------------------------------------------------------

SCRIPT = script_of("decisions", b"redis.call('SET', KEYS[1], ARGV[1]) return {ARGV[1], KEYS[1]}")
KEYS = ("av:{decisions}:a", "av:{decisions}:b")
ARGS = ("x" * 300, 7)


def redis_lines(rounds: int) -> Iterator[Compared]:
    """The connection of our own beside redis-py's client for asyncio, with hiredis as its parser."""
    if not redis_server_found():
        raise SystemExit("this part needs a redis-server on the PATH")
    with tempfile.TemporaryDirectory(prefix="avtomat-decisions-") as folder:
        server = RedisServer(Path(folder), appendfsync="no")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                yield from _redis_lines(runner, server, rounds)
        finally:
            server.stop()


def _redis_lines(runner: asyncio.Runner, server: RedisServer, rounds: int) -> Iterator[Compared]:
    with _clients(runner, server) as (connection, client):

        async def ours() -> Any:
            return await connection.call(SCRIPT, KEYS, ARGS)

        async def other() -> Any:
            return await client.evalsha(SCRIPT.sha.decode(), len(KEYS), *KEYS, *ARGS)

        assert runner.run(ours()) == runner.run(other())
        for what, made in (("one after the other", _one_by_one), (f"{AT_ONCE} at once", _at_once)):
            yield compare(
                f"{AT_ONCE} calls of a script, {what}: the connection of our own; redis-py",
                lambda made=made: runner.run(made(ours)),
                lambda made=made: runner.run(made(other)),
                rounds,
            )


@contextmanager
def _clients(runner: asyncio.Runner, server: RedisServer) -> Iterator[tuple[RedisConnection, Redis]]:
    async def begin() -> tuple[RedisConnection, Redis]:
        connection = RedisConnection(parse_redis_url(server.url))
        await connection.open()
        return connection, Redis.from_url(server.url)

    async def end() -> None:
        await connection.aclose()
        await client.aclose()

    connection, client = runner.run(begin())
    try:
        yield connection, client
    finally:
        runner.run(end())


async def _one_by_one(call: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(AT_ONCE):
        await call()


async def _at_once(call: Callable[[], Awaitable[Any]]) -> None:
    await asyncio.gather(*(call() for _ in range(AT_ONCE)))


# --- (c) JSON Schema -------------------------------------------------------------------------------------------------

FILTER: Json = {
    "$ref": "#/$defs/filter",
    "$defs": {
        "filter": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("all", "any", "is")]},
        "all": {"required": ["all"], "properties": {"all": {"items": {"$ref": "#/$defs/filter"}}}, "type": "object"},
        "any": {"required": ["any"], "properties": {"any": {"items": {"$ref": "#/$defs/filter"}}}, "type": "object"},
        "is": {"required": ["is"], "properties": {"is": {"type": "string"}}, "additionalProperties": False},
    },
}


def schema_lines(rounds: int) -> Iterator[Compared]:
    """The validator in Rust beside the one in Python; and words of our own beside those of the library."""
    root = read_source(blueprint_text(1_000)).root
    assert isinstance(root, Mapping)
    blueprint = root.value
    schema = json.loads(schema_text("blueprint"))
    shape, shape_in_python = jsonschema_rs.Draft7Validator(schema), jsonschema.Draft7Validator(schema)
    assert shape.is_valid(blueprint)
    assert shape_in_python.is_valid(blueprint)
    yield compare(
        "check the shape of that blueprint: jsonschema-rs; jsonschema",
        lambda: shape.is_valid(blueprint), lambda: shape_in_python.is_valid(blueprint), rounds,
    )  # fmt: skip
    check = SchemaCheck(blueprint["input"])
    by_python = jsonschema.Draft202012Validator(
        blueprint["input"], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    value = {"order_1000": "A-17", "total_1000": 12.5, "email": "a@example.com", "express": False,
             "items_1000": [{"sku": f"s{n}", "count": n} for n in range(10)]}  # fmt: skip
    assert check.problems(value) == []
    assert by_python.is_valid(value)
    yield compare(
        "check an input of 10 items: jsonschema-rs; jsonschema",
        lambda: check.problems(value), lambda: by_python.is_valid(value), rounds,
    )  # fmt: skip
    yield _explained(rounds)


def _explained(rounds: int) -> Compared:
    """Why a filter of three levels does not conform, one text of it being a number."""
    check = SchemaCheck(FILTER)
    library = jsonschema_rs.Draft202012Validator(FILTER)
    value: Json = {"all": [{"any": [{"is": "a"}, {"is": 1}]}, {"is": "b"}]}

    def ours() -> list[str]:
        return [f"{each.pointer}: {each.message}" for each in check.problems(value)]

    def other() -> list[str]:
        return [f"{each.instance_path}: {each.message}" for each in library.iter_errors(value)]

    print(f"  ours says:    {'; '.join(ours())}\n  library says: {'; '.join(other())}")
    return compare("tell why a filter of 3 levels does not conform: the explainer; jsonschema-rs", ours, other, rounds)


# --- (d) evaluating --------------------------------------------------------------------------------------------------

NAMES: dict[str, Any] = {
    "input": {"total": 1200, "express": True, "name": "Ada", "pieces": [{"sku": "b", "n": 2}, {"sku": "a", "n": 3}]},
    "data": {"fee": 20},
}
NOW = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
CONDITION = "input.total + data.fee > 1000 and input.express and input.name == 'Ada'"
TEXT = "Order of {{ input.name }}: {% for i in input.pieces %}{{ i.sku }} x {{ i.n }}, {% endfor %}{{ input.total }}."


def evaluation_lines(rounds: int) -> Iterator[Compared]:
    """The evaluator of our own beside simpleeval and the sandbox of Jinja, each with what it can prepare prepared."""
    expression, text = parse_expression(CONDITION), compile_value(TEXT)
    assert isinstance(expression, Expression)
    assert isinstance(text, CompiledTemplate)
    jinja = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    simple = EvalWithCompoundTypes(names=NAMES)
    tree = simple.parse(CONDITION)
    compiled, template = jinja.compile_expression(CONDITION), jinja.from_string(TEXT)

    def ours() -> Any:
        return expression.evaluate(_environment())

    def by_simpleeval() -> Any:
        return simple.eval(CONDITION, previously_parsed=tree)

    def by_jinja() -> Any:
        return compiled(NAMES)

    def written() -> Any:
        rendered = text.render(_environment())
        assert isinstance(rendered, Rendered)
        return rendered.value

    def written_by_jinja() -> Any:
        return template.render(NAMES)

    assert ours() is by_simpleeval() is by_jinja() is True
    assert written() == written_by_jinja()
    yield compare("a condition of three parts: ours; simpleeval, parsed before", ours, by_simpleeval, rounds)
    yield compare("the same: ours; Jinja's sandbox, compiled before", ours, by_jinja, rounds)
    yield compare("a text with a loop: ours; Jinja's sandbox, compiled before", written, written_by_jinja, rounds)
    yield from _reading_lines(jinja, simple, rounds)


def _reading_lines(jinja: SandboxedEnvironment, simple: EvalWithCompoundTypes, rounds: int) -> Iterator[Compared]:
    """Read what no cache has: each repetition has texts of its own."""
    numbers = count()

    def condition() -> str:
        return f"{CONDITION} and data.fee != {next(numbers)}"

    def text() -> str:
        return f"{TEXT} {next(numbers)} {{{{ data.fee + {next(numbers)} }}}}"

    def read() -> object:
        return parse_expression(condition())

    def read_text() -> object:
        return compile_value(text())

    yield compare("read a new condition: ours; simpleeval", read, lambda: simple.parse(condition()), rounds)
    yield compare("read a new text: ours; Jinja's sandbox", read_text, lambda: jinja.from_string(text()), rounds)


def _environment() -> Environment:
    return Environment(names=NAMES, now=NOW, seed="job-1 pack 1", items_max=100_000)


# --- the command -----------------------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[int], Iterator[Compared]]] = {
    "yaml": yaml_lines, "redis": redis_lines, "schema": schema_lines, "evaluation": evaluation_lines,
}  # fmt: skip


def main() -> int:
    """Measure the parts that were named, or all."""
    parser = ArgumentParser(prog="python -m tests.benchmarks.decisions", description="Ours beside other ways.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}: all without")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"pairs of turns, at least {ROUNDS_MIN}")
    args = parser.parse_args()
    unknown = [name for name in args.parts if name not in PARTS]
    if unknown or args.rounds < ROUNDS_MIN:
        parser.error(f"no part {unknown[0]!r}" if unknown else f"at least {ROUNDS_MIN} rounds")
    print(f"{'ours; the other':<82}{'ours':>10}  {'the other':>10}  {'ratio':>6}   (quartiles)")
    for name in args.parts or PARTS:
        print(f"{name}")
        for line in PARTS[name](args.rounds):
            print(f"  {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
