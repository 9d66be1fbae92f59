"""`avtomat tokens`: make a token and its line for clients.toml or workers.toml, list what the files have, take one out.

A token is shown once, by `new`; the files have its SHA-256. A file is changed by `revoke` alone, and engines that
follow it shut the token out within a second.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from avtomat.access.clients_file import ADMIN, NAME, read_clients
from avtomat.access.editing import without_item
from avtomat.access.fields import HASHED, Document, EnvironmentToken, FileToken, TokenSource, WrittenToken
from avtomat.access.model import Client, WorkerEntry
from avtomat.access.tokens import digest_of
from avtomat.access.workers_file import IDS, read_workers
from avtomat.cli.help import described
from avtomat.cli.setting_flags import add_setting_flags, settings_of
from avtomat.diagnostics import Severity
from avtomat.errors import NotFoundError, UsageError

DIGITS_SHOWN: Final = 16
DIGITS_MIN: Final = 8
TOKEN_BYTES: Final = 32
PREFIX: Final = "avt_"
"""What a token begins with, so that scanners of leaked secrets can tell what it is."""

_ACTIONS: Final = {
    "new": "Make a token, and the line that goes into the file",
    "list": "List the tokens of both files, without the tokens themselves",
    "revoke": "Take a token out of its file",
}


_REVOCABLE: Final = (
    f"first digits of its SHA-256 ({DIGITS_MIN} at least), env:NAME, file:PATH, or - for the token itself on stdin"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A token of a file. `document` is the whole file."""

    file: Path
    kind: str
    document: Document[Client] | Document[WorkerEntry]
    token: WrittenToken

    @property
    def line(self) -> int:
        return self.document.text.at(self.token.path).line

    @property
    def named(self) -> str:
        """What `revoke` takes."""
        return _named(self.token.source)


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and with which files."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        each = actions.add_parser(name, help=text, **described(text))
        each.add_argument("-o", "--output", dest="form", choices=("text", "json"), default="text")
        if name == "new":
            each.add_argument("name", metavar="NAME", help="the client, or with --worker the id or pattern of workers")
            each.add_argument("--worker", action="store_true", help="a token of a worker")
        if name == "revoke":
            each.add_argument("token", metavar="TOKEN", help=_REVOCABLE)
        add_setting_flags(each, "clients", "workers")


def run(args: Namespace) -> int:
    """Do it; 2 where a file is wrong, 3 where there is no such token."""
    match args.action:
        case "new":
            return _new(args)
        case "list":
            return _list(args)
        case _:
            return _revoke(args)


# --- new --------------------------------------------------------------------------------------------------------------


def _new(args: Namespace) -> int:
    form, what = (IDS, "a worker") if args.worker else (NAME, "a client")
    if not form.fullmatch(args.name) or (args.name == ADMIN and not args.worker):
        raise UsageError(f"{args.name[:80]!r} is not a name of {what}", hint="`avtomat explain AVT705` says which are")
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    hashed = HASHED + digest_of(token).hex()
    file, document = _document(args, "workers" if args.worker else "clients")
    lines = _lines_for(args.name, hashed, file, document, "workers" if args.worker else "clients")
    if args.form == "json":
        print(json.dumps({"token": token, "hash": hashed, "file": str(file), "lines": lines}))
        return 0
    print(token)
    print("\n".join(lines))
    print(f"avtomat: the first line is the token, which is shown once; the rest goes into {file}", file=sys.stderr)
    return 0


def _lines_for(name: str, hashed: str, file: Path, document: Document[Any] | None, top: str) -> list[str]:
    """What to write: an item where the entry is there, else the whole entry."""
    if document is not None and name in document.entries:
        line = document.text.key((top, name)).line
        print(f"avtomat: {name} is there, in line {line} of {file}: add this to its tokens", file=sys.stderr)
        return [f'"{hashed}",']
    shown = name if NAME.fullmatch(name) and "." not in name else json.dumps(name)
    return [f"[{top}.{shown}]", f'tokens = ["{hashed}"]']


# --- list -------------------------------------------------------------------------------------------------------------


def _list(args: Namespace) -> int:
    rows = [_row(each) for each in _tokens(args)]
    if args.form == "json":
        print(json.dumps({"tokens": rows}, indent=2))
        return 0
    widths = {key: max((len(str(row[key])) for row in rows), default=0) for key in ("kind", "name", "token", "rights")}
    for row in rows:
        shown = "  ".join(f"{row[key]:<{width}}" for key, width in widths.items())
        print(f"{shown}  {row['file']}:{row['line']}")
    return 0


def _row(listed: _Listed) -> dict[str, Any]:
    entry = listed.document.entries[listed.token.owner]
    return {
        "kind": listed.kind,
        "name": listed.token.owner,
        "token": listed.named,
        "rights": _rights(entry),
        "file": str(listed.file),
        "line": listed.line,
    }


def _rights(entry: Client | WorkerEntry) -> str:
    match entry:
        case Client(scopes=scopes):
            return ",".join(sorted(scopes))
        case WorkerEntry(kinds=kinds):
            return "all kinds" if kinds is None else ",".join(kinds)


# --- revoke -----------------------------------------------------------------------------------------------------------


def _revoke(args: Namespace) -> int:
    wanted = HASHED + digest_of(sys.stdin.readline().strip()).hex() if args.token == "-" else args.token  # noqa: S105 - stdin
    found = [each for each in _tokens(args) if _is_meant(each.token.source, wanted)]
    if not found:
        raise NotFoundError("no file has this token", hint="`avtomat tokens list` shows all")
    if len(found) > 1:
        places = ", ".join(f"{each.file}:{each.line}" for each in found)
        raise UsageError(f"this may be one of {len(found)} tokens: {places}", hint="give more digits")
    [listed] = found
    text = without_item(listed.document.text, listed.token.path)
    if not _is_the_rest(text, listed):
        place = f"{listed.file}:{listed.line}"
        raise UsageError(f"the file is written so that the token cannot be taken out; remove it by hand: {place}")
    _replace(listed.file, text)
    told = {"name": listed.token.owner, "token": listed.named, "file": str(listed.file), "line": listed.line}
    shown = f"revoked {listed.named} of {listed.token.owner}, which was in line {listed.line} of {listed.file}"
    print(json.dumps(told) if args.form == "json" else shown)
    return 0


def _is_meant(source: TokenSource, wanted: str) -> bool:
    if isinstance(source, bytes):
        digits = wanted.removeprefix(HASHED).lower()
        return len(digits) >= DIGITS_MIN and source.hex().startswith(digits)
    return _named(source) == wanted


def _is_the_rest(text: str, listed: _Listed) -> bool:
    """Whether the text says what the file says, but for the token."""
    read = read_clients if listed.kind == "client" else read_workers
    document, _ = read(text.encode())
    rest = [(each.owner, each.source) for each in listed.document.tokens if each is not listed.token]
    return (
        document is not None
        and document.entries == listed.document.entries
        and [(each.owner, each.source) for each in document.tokens] == rest
    )


def _replace(file: Path, text: str) -> None:
    """Put the text into the file in one step: an engine never sees half of it."""
    real = file.resolve()
    new = real.with_name(f".{real.name}.{os.getpid()}.new")
    try:
        with new.open("x", encoding="utf-8", newline="") as written:
            written.write(text)
        shutil.copymode(real, new)
        new.replace(real)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(
            f"{file} cannot be changed: {error.strerror}", hint="remove the token's line by hand"
        ) from None


# --- the files --------------------------------------------------------------------------------------------------------


def _tokens(args: Namespace) -> Iterator[_Listed]:
    for kind, top in (("client", "clients"), ("worker", "workers")):
        file, document = _document(args, top)
        for token in () if document is None else document.tokens:
            yield _Listed(file=file, kind=kind, document=document, token=token)


def _document(args: Namespace, top: str) -> tuple[Path, Any]:
    """The file and what it says, None where there is none. UsageError for one with errors."""
    settings = settings_of(args)
    named = settings.clients if top == "clients" else settings.workers
    file = named or Path(f"{top}.toml")
    if not file.is_file():
        if named is not None:
            raise NotFoundError(f"there is no file {file}")
        return file, None
    document, findings = (read_clients if top == "clients" else read_workers)(file.read_bytes())
    if document is None:
        first = next(each for each in findings if each.code.severity is Severity.ERROR).in_file(str(file))
        text = f"{first.file}:{first.line}:{first.column}: {first.code}: {first.message}"
        raise UsageError(text, hint=f"`avtomat validate {file}` shows all findings")
    return file, document


def _named(source: TokenSource) -> str:
    match source:
        case bytes():
            return HASHED + source.hex()[:DIGITS_SHOWN]
        case EnvironmentToken(variable=variable):
            return f"env:{variable}"
        case FileToken(path=path):
            return f"file:{path}"
