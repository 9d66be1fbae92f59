"""Find the command, let it run, and turn how it ends into an exit code.

A command is a module with `add_arguments(parser)` and `run(args) -> exit code`; it is imported when it is used, so that
help is quick and `validate` loads no server. Results go to stdout, everything else to stderr.

Exit codes: 0 good, 1 findings, a failed job or test, 2 usage, 3 not found, 4 not allowed, 5 server not reached,
124 timeout, 130 interrupted, 141 the reader of stdout has gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TextIO, cast

from avtomat.errors import AvtomatError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141


class Command(NamedTuple):
    """Where a command lives, and what it does in one line."""

    module: str
    help: str


class CommandModule(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, args: Namespace) -> int:
        """Do it, and return the exit code."""


COMMANDS: Final = {
    "dev": Command("avtomat.cli.dev", "Run the engine here, with reload and without tokens"),
    "serve": Command("avtomat.cli.serve", "Run the engine in production"),
    "validate": Command("avtomat.cli.validate", "Check blueprints, without a network"),
    "test": Command("avtomat.cli.test", "Run the tests of blueprints, without a network"),
    "run": Command("avtomat.cli.run", "Run one job of a blueprint to its end, without a server"),
    "worker": Command("avtomat.cli.worker", "Do tasks with shell commands, for an engine anywhere"),
    "jobs": Command("avtomat.cli.jobs", "List, show, explain and operate the jobs of an engine"),
    "schema": Command("avtomat.cli.schema", "Print a JSON Schema, for editors and other tools"),
    "init": Command("avtomat.cli.init", "Begin a project: a blueprint, settings, a README"),
    "doctor": Command("avtomat.cli.doctor", "Check this installation, its settings and its store"),
    "store": Command("avtomat.cli.store", "Accept the store in Redis as it is, after it was emptied or replaced"),
    "config": Command("avtomat.cli.config", "Show all settings and where each comes from"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; argparse leaves by SystemExit on its own findings."""
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except AvtomatError as error:
        _print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_BROKEN_PIPE
    return code


def _run(arguments: list[str]) -> int:
    match arguments:
        case []:
            return _print_help(sys.stderr, EXIT_USAGE)
        case ["-h" | "--help" | "help", *_]:
            return _print_help(sys.stdout, 0)
        case ["-V" | "--version" | "version", *_]:
            return _print_version()
        case [name, *rest] if name in COMMANDS:
            return _run_command(name, rest)
        case [name, *_]:
            return _refuse(name)
    raise AssertionError(arguments)


def _run_command(name: str, arguments: list[str]) -> int:
    from argparse import ArgumentParser

    command = COMMANDS[name]
    module = cast("CommandModule", import_module(command.module))
    parser = ArgumentParser(prog=f"avtomat {name}", description=f"{command.help}.")
    module.add_arguments(parser)
    return module.run(parser.parse_args(arguments))


def _print_help(stream: TextIO, code: int) -> int:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    head = ["usage: avtomat COMMAND …", "", "Long-lived workflows, written in YAML.", "", "commands:"]
    foot = ["", "`avtomat COMMAND --help` tells more about one; `avtomat --version` prints the version."]
    print("\n".join([*head, *lines, *foot]), file=stream)
    return code


def _print_version() -> int:
    from importlib.metadata import version

    print(f"avtomat {version('avtomat')}")
    return 0


def _refuse(name: str) -> int:
    from avtomat.suggest import did_you_mean

    meant = did_you_mean(name, COMMANDS)
    hint = f"did you mean `avtomat {meant}`?" if meant else "`avtomat --help` lists all commands"
    print(f"avtomat: there is no command {name!r}\n  hint: {hint}", file=sys.stderr)
    return EXIT_USAGE


def _print_error(error: AvtomatError) -> None:
    print(f"avtomat: {error}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)


def _forget_stdout() -> None:
    """Let the interpreter flush into nothing at its end, so that it does not complain a second time."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
