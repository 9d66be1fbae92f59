"""`avtomat completion`: print what makes a shell complete commands, actions and flags.

The words are those of the commands' own parsers, so that nothing is said twice. After them, files are completed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Final

from avtomat.cli.commands import COMMANDS

SHELLS: Final = ("bash", "zsh", "fish")

_BASH: Final = """\
_avtomat() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{actions}
    *) case "$COMP_CWORD ${{COMP_WORDS[1]}}" in
      "1 "*) words="{commands}" ;;
{flags}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word") $([ "$COMP_CWORD" -gt 1 ] && compgen -f -- "$word"))
}}
complete -o filenames -F _avtomat avtomat
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that will read it")


def run(args: Namespace) -> int:
    """Print the script."""
    print(_fish() if args.shell == "fish" else _bash(for_zsh=args.shell == "zsh"), end="")
    return 0


def _bash(*, for_zsh: bool) -> str:
    actions, flags = [], []
    for name in COMMANDS:
        own, below = _words_of(name)
        flags.append(f'      *" {name}") words="{" ".join([*below, *own])}" ;;')
        actions += [f'    "{name} {action}") words="{" ".join(words)}" ;;' for action, words in below.items()]
    script = _BASH.format(commands=" ".join(COMMANDS), flags="\n".join(flags), actions="\n".join(actions))
    return f"autoload -Uz bashcompinit && bashcompinit\n{script}" if for_zsh else script


def _fish() -> str:
    lines = ["complete -c avtomat -f"]
    for name, command in COMMANDS.items():
        lines.append(f"complete -c avtomat -n __fish_use_subcommand -a {name} -d {_quoted(command.help)}")
        own, below = _words_of(name)
        here = f"'__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c avtomat -n {here} -a {action}" for action in below]
        longs = dict.fromkeys(word for words in (own, *below.values()) for word in words if word.startswith("--"))
        lines += [f"complete -c avtomat -n {here} -F -l {long[2:]}" for long in longs]
    return "\n".join(lines) + "\n"


def _words_of(name: str) -> tuple[list[str], dict[str, list[str]]]:
    """The flags of a command, and those of each of its actions."""
    from avtomat.cli.main import parser_of

    _, parser = parser_of(name)
    below = {action: [*_flags_of(each)] for action, each in actions_of(parser)}
    return [*_flags_of(parser)], below


def _flags_of(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (flag for flag in action.option_strings if flag.startswith("--"))


def actions_of(parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    """The actions of a command, each with what reads its arguments."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            yield from action.choices.items()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"
