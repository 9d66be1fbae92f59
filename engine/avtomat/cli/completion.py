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
  local word="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local command="${{COMP_WORDS[1]}}" words="" at
  for ((at = 2; at < COMP_CWORD; at++)); do
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[at]}}" in
{actions}) command="${{COMP_WORDS[1]}} ${{COMP_WORDS[at]}}"; break ;;
    esac
  done
  [ "$COMP_CWORD" -gt 1 ] || command=""
  case "$command" in
    "") words="{first}" ;;
    help) [ "$COMP_CWORD" -gt 2 ] || words="{commands}" ;;
{words}
  esac
  case "${{command%% *}} $previous" in
{values}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word") $([ "$COMP_CWORD" -gt 1 ] && compgen -f -- "$word"))
}}
complete -o filenames -F _avtomat avtomat
"""
_FIRST: Final = ("help", "version", "--help", "--version")
"""What may stand first beside a command."""


def add_arguments(parser: ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that will read it")


def run(args: Namespace) -> int:
    """Print the script."""
    print(_fish() if args.shell == "fish" else _bash(for_zsh=args.shell == "zsh"), end="")
    return 0


def _bash(*, for_zsh: bool) -> str:
    actions, words, values = [], [], []
    for name in COMMANDS:
        parsers = [*parsers_of(name)]
        actions += [f'"{path}"' for path, _ in parsers if path != name]
        for path, parser in parsers:
            words.append(f'    "{path}") words="{" ".join(words_of(parser))}" ;;')
        for flag, choices in {flag: each for _, parser in parsers for flag, each in values_of(parser)}.items():
            values.append(f'    "{name} {flag}") words="{" ".join(choices)}" ;;')
    script = _BASH.format(
        first=" ".join((*COMMANDS, *_FIRST)),
        commands=" ".join(COMMANDS),
        actions="      " + "|".join(actions),
        words="\n".join(words),
        values="\n".join(values),
    )
    return f"autoload -Uz bashcompinit && bashcompinit\n{script}" if for_zsh else script


def _fish() -> str:
    lines = ["complete -c avtomat -f"]
    for name, command in COMMANDS.items():
        lines.append(f"complete -c avtomat -n __fish_use_subcommand -a {name} -d {_quoted(command.help)}")
        here = f"'__fish_seen_subcommand_from {name}'"
        parsers = [parser for _, parser in parsers_of(name)]
        words = dict.fromkeys(word for parser in parsers for word in words_of(parser))
        lines += [f"complete -c avtomat -n {here} -a {word}" for word in words if not word.startswith("-")]
        values = {flag: choices for parser in parsers for flag, choices in values_of(parser)}
        for word in words:
            if word.startswith("-"):
                option = f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}"
                taken = f" -x -a {_quoted(' '.join(values[word]))}" if word in values else " -F"
                lines.append(f"complete -c avtomat -n {here}{taken} {option}")
    lines.append(f"complete -c avtomat -n '__fish_seen_subcommand_from help' -a {_quoted(' '.join(COMMANDS))}")
    lines.append("complete -c avtomat -n __fish_use_subcommand -a help -d 'Say what a command does'")
    return "\n".join(lines) + "\n"


def parsers_of(name: str) -> Iterator[tuple[str, ArgumentParser]]:
    """What reads the arguments of a command, and of each of its actions, with the words that lead there."""
    from avtomat.cli.main import parser_of

    _, parser = parser_of(name)
    yield name, parser
    yield from ((f"{name} {action}", each) for action, each in actions_of(parser))


def words_of(parser: ArgumentParser) -> list[str]:
    """The actions, the words that an argument may be, and the flags."""
    words: list[str] = []
    for action in parser._actions:
        if not action.option_strings:
            words += map(str, action.choices or ())
    return [*words, *(flag for action in parser._actions for flag in action.option_strings)]


def values_of(parser: ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """The flags that take one of some words, and these."""
    for action in parser._actions:
        if action.choices:
            yield from ((flag, [*map(str, action.choices)]) for flag in action.option_strings)


def actions_of(parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    """The actions of a command, each with what reads its arguments."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            yield from action.choices.items()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"
