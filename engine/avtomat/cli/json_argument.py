"""Read a JSON value that is given on the command line: the text itself, `@file`, or `-` for stdin."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from pathlib import Path

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.json_door import read_json


def json_argument(argument: str) -> Json:
    """The value, read as strictly as a request's body. ArgumentTypeError says what is wrong with it."""
    try:
        return read_json(_text_of(argument))
    except RequestRefused as refused:
        raise ArgumentTypeError(refused.message.replace("the body", _name_of(argument))) from None
    except OSError as error:
        raise ArgumentTypeError(f"{argument.removeprefix('@')}: {error.strerror}") from None


def json_map_argument(argument: str) -> dict[str, Json]:
    """The same for a value that must be a map."""
    value = json_argument(argument)
    if not isinstance(value, dict):
        raise ArgumentTypeError(f'{_name_of(argument)} is not a map such as {{"name": "value"}}')
    return value


def _text_of(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read()
    if argument.startswith("@"):
        return Path(argument[1:]).read_bytes()
    return argument.encode("utf-8", "surrogateescape")


def _name_of(argument: str) -> str:
    match argument[:1]:
        case "-":
            return "what came on stdin"
        case "@":
            return argument[1:]
        case _:
            return "it"
