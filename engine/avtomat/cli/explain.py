"""`avtomat explain`: say what a code of the checker means, with an example and what the checker says about it."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import NamedTuple

from avtomat.errors import NotFoundError
from avtomat.resources import diagnostics_page
from avtomat.suggest import did_you_mean


def add_arguments(parser: ArgumentParser) -> None:
    """The code."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="such as AVT311 (default: list all codes)")


def run(args: Namespace) -> int:
    """Print what the documentation says about the code, or one line for each code there is."""
    sections = {section.number: section for section in _sections()}
    if args.code is None:
        print("\n".join(section.title for section in sections.values()))
        return 0
    number = args.code.upper()
    section = sections.get(number if number.startswith("AVT") else f"AVT{number}")
    if section is None:
        meant = did_you_mean(number, sections)
        hint = f"did you mean {meant}?" if meant else "`avtomat explain` lists all codes"
        raise NotFoundError(f"there is no code {args.code[:80]!r}", hint=hint)
    print(f"{section.title}\n\n{section.text}")
    return 0


class Section(NamedTuple):
    """What the page about the codes says of one of them; `title` begins with its number."""

    number: str
    title: str
    text: str


def _sections() -> Iterator[Section]:
    head = re.compile(r'^### <a id="avt\d+"></a>((AVT\d+): .*)$', re.MULTILINE)
    parts = head.split(diagnostics_page())
    for title, number, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield Section(number, title, text.partition("\n## ")[0].strip())
