"""Write docs/commands.md from the commands' own help.

python scripts/commands_page.py            write it
python scripts/commands_page.py --check    end with 1 if it is not up to date (a test runs this)
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

os.environ["COLUMNS"] = "110"  # argparse asks for the width of the terminal

from avtomat.cli.commands import COMMANDS
from avtomat.cli.completion import actions_of
from avtomat.cli.main import parser_of

PAGE: Final = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD: Final = """\
# Commands

Results go to stdout; findings, progress and messages to stderr. Flags stand behind the command; `-o`, `--url`,
`--token`, `--settings` and those without a value may stand before it, too. `NO_COLOR` forbids colours, `FORCE_COLOR`
has them without a terminal. This page is written from `avtomat help`.

| exit code | meaning |
|---|---|
| 0 | good |
| 1 | findings, a failed job or test |
| 2 | the command was used wrongly, or the settings are wrong |
| 3 | what was named is not there |
| 4 | not allowed |
| 5 | no engine or store could be reached |
| 124 | the time given with `--timeout` passed |
| 130, 143 | ended by SIGINT, SIGTERM |
"""


def main() -> int:
    """Write or check the page."""
    wanted = "\n".join([HEAD, *_sections()])
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text("utf-8") != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


def _sections() -> Iterator[str]:
    for name in COMMANDS:
        _, parser = parser_of(name)
        yield f"## avtomat {name}\n\n```text\n{_help_of(parser)}```\n"
        for action, below in actions_of(parser):
            yield f"### avtomat {name} {action}\n\n```text\n{_help_of(below)}```\n"


def _help_of(parser: ArgumentParser) -> str:
    return parser.format_help()


if __name__ == "__main__":
    sys.exit(main())
