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
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, TextIO, cast

from avtomat.cli.commands import COMMANDS
from avtomat.errors import AvtomatError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141


class CommandModule(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, args: Namespace) -> int:
        """Do it, and return the exit code."""


_WITH_VALUE: Final = frozenset({"-o", "--output", "--url", "--token", "--settings"})
"""Flags that may stand before the command, with the word behind them."""
_ALONE: Final = frozenset({"-h", "--help", "-V", "--version"})
"""Flags that mean something without a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; argparse leaves by SystemExit on its own findings."""
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except AvtomatError as error:
        _print_error(error)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _forget_stdout()
            return EXIT_BROKEN_PIPE
        if error.filename is None:
            raise
        print(f"avtomat: {os.fsdecode(error.filename)}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _run(arguments: list[str]) -> int:
    match arguments:
        case []:
            return _print_help(sys.stderr, EXIT_USAGE)
        case ["help", name, *rest] if name in COMMANDS:
            return _run_command(name, [*rest, "--help"])
        case ["help", name, *_] if not name.startswith("-"):
            return _refuse(name)
        case ["-h" | "--help" | "help", *_]:
            return _print_help(sys.stdout, 0)
        case ["-V" | "--version" | "version", *_]:
            return _print_version()
        case [name, *rest] if name in COMMANDS:
            return _run_command(name, rest)
        case [name, *rest] if name.startswith("-"):
            return _run_behind_flags(name, rest)
        case [name, *_]:
            return _refuse(name)
    raise AssertionError(arguments)


def _run_behind_flags(flag: str, rest: list[str]) -> int:
    """Flags before the command count as if they stood behind it."""
    words = iter([flag, *rest])
    flags: list[str] = []
    for word in words:
        if not word.startswith("-") or word in _ALONE:
            return _run([word, *flags, *words])
        flags += [word, *islice(words, 1)] if word in _WITH_VALUE else [word]
    return _print_help(sys.stderr, EXIT_USAGE)


def _run_command(name: str, arguments: list[str]) -> int:
    module, parser = parser_of(name)
    return module.run(parser.parse_args(arguments))


def parser_of(name: str) -> tuple[CommandModule, ArgumentParser]:
    """The module of a command, and what reads its arguments."""
    from argparse import ArgumentParser

    from avtomat.cli.help import described

    command = COMMANDS[name]
    module = cast("CommandModule", import_module(command.module))
    parser = ArgumentParser(prog=f"avtomat {name}", **described(command.help, command.examples))
    module.add_arguments(parser)
    return module, parser


def _print_help(stream: TextIO, code: int) -> int:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    head = ["usage: avtomat COMMAND …", "", "Long-lived workflows, written in YAML.", "", "commands:"]
    foot = ["", "`avtomat COMMAND --help` says more about one; `avtomat --version` prints the version."]
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
