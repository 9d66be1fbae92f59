"""Say in a command's help what it does, with examples that are shown as they are written."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import TypedDict


class Described(TypedDict):
    """What an ArgumentParser is made with."""

    description: str
    epilog: str | None
    formatter_class: type[RawDescriptionHelpFormatter]


def described(text: str, examples: Sequence[str] = ()) -> Described:
    """The description of a command, and its examples."""
    lines = [f"  {example}" for example in examples]
    return {
        "description": f"{text}.",
        "epilog": "\n".join(["examples:", *lines]) if lines else None,
        "formatter_class": RawDescriptionHelpFormatter,
    }
