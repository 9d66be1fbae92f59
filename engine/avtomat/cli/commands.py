"""List the commands: where each one lives, what it does, and how it is used. Nothing of them is imported here."""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """The module of a command, what it does in one line, and examples of its use."""

    module: str
    help: str
    examples: tuple[str, ...] = ()


COMMANDS: Final = {
    "dev": Command(
        "avtomat.cli.dev",
        "Run the engine here, with reload and without tokens",
        ("avtomat dev", "avtomat dev shop --port 8081"),
    ),
    "serve": Command(
        "avtomat.cli.serve",
        "Run the engine in production",
        ("avtomat serve --store redis://127.0.0.1:6379/0 --blueprints workflows",),
    ),
    "validate": Command(
        "avtomat.cli.validate",
        "Check blueprints, their tests and settings, without a network",
        ("avtomat validate", "avtomat validate workflows --strict", "avtomat validate - < hello.yaml"),
    ),
    "test": Command(
        "avtomat.cli.test",
        "Run the tests of blueprints, without a network",
        ("avtomat test --coverage", "avtomat test workflows/hello.yaml -k crowd"),
    ),
    "run": Command(
        "avtomat.cli.run",
        "Run one job of a blueprint to its end, without a server",
        ("""avtomat run workflows/hello.yaml --input '{"name": "Ada"}' --exec greet='sh greet.sh'""",),
    ),
    "worker": Command(
        "avtomat.cli.worker",
        "Do tasks with shell commands, for an engine anywhere",
        ("avtomat worker --url http://127.0.0.1:8080 --exec greet='sh greet.sh'",),
    ),
    "jobs": Command(
        "avtomat.cli.jobs",
        "Submit, list, show, follow, explain and operate the jobs of an engine",
        (
            """avtomat jobs submit hello --input '{"name": "Ada"}' --follow""",
            "avtomat jobs list --status failed",
            "avtomat jobs why 00a7f8",
        ),
    ),
    "signal": Command(
        "avtomat.cli.signal",
        "Send a signal to a job that waits for it, or will",
        ("""avtomat signal 00a7f8 paid --key o-17 --payload '{"amount": 12}'""",),
    ),
    "approvals": Command(
        "avtomat.cli.approvals",
        "See what people are asked in a job, and decide it",
        (
            "avtomat approvals list 00a7f8",
            "avtomat approvals decide 00a7f8 accept --choice approve --comment 'as agreed'",
        ),
    ),
    "schedule": Command(
        "avtomat.cli.schedule",
        "List, pause and trigger the schedules of an engine; print the next times of a file",
        (
            "avtomat schedule next workflows/nightly_report.yaml -n 5",
            "avtomat schedule list",
            "avtomat schedule pause nightly_report/nightly --reason 'stocktaking'",
        ),
    ),
    "schema": Command(
        "avtomat.cli.schema",
        "Print a JSON Schema, for editors and other tools",
        ("avtomat schema > blueprint.schema.json", "avtomat schema --list"),
    ),
    "graph": Command(
        "avtomat.cli.graph",
        "Draw a blueprint: as SVG, Mermaid, Graphviz dot, or an outline",
        ("avtomat graph workflows/hello.yaml", "avtomat graph workflows/hello.yaml -o svg > hello.svg"),
    ),
    "explain": Command(
        "avtomat.cli.explain", "Explain a code of the checker, with an example", ("avtomat explain AVT311",)
    ),
    "init": Command(
        "avtomat.cli.init", "Begin a project: a blueprint with tests, settings, a README, CI", ("avtomat init shop",)
    ),
    "blueprints": Command(
        "avtomat.cli.blueprints",
        "List the blueprints of an engine, or make an earlier version current again",
        ("avtomat blueprints list", "avtomat blueprints restore hello 4f0c2a9be1d3"),
    ),
    "workers": Command(
        "avtomat.cli.workers",
        "List the workers of an engine, or show one with its reputation",
        ("avtomat workers list", "avtomat workers show gpu-7"),
    ),
    "breakers": Command(
        "avtomat.cli.breakers",
        "List the breakers of kinds of task, or close one at once",
        ("avtomat breakers list", "avtomat breakers reset charge-card"),
    ),
    "tokens": Command(
        "avtomat.cli.tokens",
        "Make, list and revoke tokens of clients.toml and workers.toml",
        ("avtomat tokens new shop", "avtomat tokens list", "avtomat tokens revoke 4f0c2a9be1d3"),
    ),
    "doctor": Command("avtomat.cli.doctor", "Check this installation, its settings and its store", ("avtomat doctor",)),
    "store": Command(
        "avtomat.cli.store",
        "Accept the store in Redis as it is, after it was emptied or replaced",
        ("avtomat store accept --store redis://127.0.0.1:6379/0",),
    ),
    "conformance": Command(
        "avtomat.cli.conformance",
        "Test whether a worker keeps to the worker protocol",
        ("avtomat conformance worker --command 'node worker.mjs'",),
    ),
    "config": Command("avtomat.cli.config", "Show all settings and where each comes from", ("avtomat config",)),
    "completion": Command(
        "avtomat.cli.completion",
        "Print what makes a shell complete commands and flags",
        ("""eval "$(avtomat completion bash)\"""", "avtomat completion fish | source"),
    ),
}
