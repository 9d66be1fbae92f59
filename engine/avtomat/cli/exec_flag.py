"""Give a command the flag `--exec KIND=COMMAND`, and read what was given."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import NamedTuple

from avtomat.errors import UsageError


class Command(NamedTuple):
    """A kind of task, and the shell command that does it."""

    kind: str
    text: str


def add_exec_flag(parser: ArgumentParser, *, required: bool) -> None:
    """Add the flag; what was given is a list of `Command` in `args.commands`."""
    parser.add_argument(
        "--exec",
        dest="commands",
        action="append",
        type=command,
        required=required,
        default=None if required else [],
        metavar="KIND=COMMAND",
        help="do tasks of this kind with this shell command: params as JSON on stdin, output as JSON on stdout; "
        "may be given several times",
    )


def command(argument: str) -> Command:
    """Read `KIND=COMMAND`."""
    kind, equals, text = argument.partition("=")
    if not (kind and equals and text.strip()):
        raise ArgumentTypeError(f"expected KIND=COMMAND, like greet='python greet.py', found {argument!r}")
    return Command(kind, text)


def by_kind(commands: Iterable[Command]) -> dict[str, str]:
    """The commands by their kind of task. UsageError: one kind has two."""
    found: dict[str, str] = {}
    for each in commands:
        if each.kind in found:
            raise UsageError(
                f"there are two commands for tasks of the kind {each.kind}: {found[each.kind]}, {each.text}"
            )
        found[each.kind] = each.text
    return found
