"""Read and show the values of settings: one kind of value each.

A value comes as TOML has it, or as the text of a flag or of a variable. Durations are written as in blueprints (`30s`,
`1h30m`); sizes as `512kB`, `1MB` (powers of 1000) or `1MiB` (of 1024).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from avtomat.core.duration import duration_hint, format_duration, parse_duration
from avtomat.secrets import BLANKED, EnvironmentSecret, FileSecret, InlineSecret, SecretSource

Json: TypeAlias = Any
Parse: TypeAlias = Callable[[object], Any]

_SIZE: Final = re.compile(r"(\d{1,12})\s*([kMG]i?)?B?", re.ASCII)
_SIZE_UNITS: Final = {None: 1, "k": 10**3, "M": 10**6, "G": 10**9, "ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_STORE_SCHEMES: Final = ("sqlite:///", "redis://", "rediss://", "unix://")
_IDENTITY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SECRET_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}", re.ASCII)
SIGNING_CHARACTERS_MIN: Final = 32
_HOST_NAME: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?){1,127}", re.ASCII)
_NUMBERS_ALONE: Final = re.compile(r"[0-9.]+", re.ASCII)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^:/@]*):.*@")


class UnfitValueError(ValueError):
    """A value is not of its setting's kind; the text says what was expected. `keys` lead to the part of a table."""

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a value is read and shown. A `hidden` one may be in a file of its own (…_FILE) and is never shown whole."""

    words: str
    parse: Parse
    show: Callable[[Any], str]
    hidden: bool = False


def parse_text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise UnfitValueError("must be a text that is not empty")
    return value.strip()


def parse_path(value: object) -> Path:
    """A path; `~` is the home of the user."""
    return Path(parse_text(value)).expanduser()


def parse_store(value: object) -> str:
    """The URL of a store, by its scheme; the store itself reads the rest."""
    text = parse_text(value)
    if text != "memory:" and not text.startswith(_STORE_SCHEMES):
        raise UnfitValueError("must be sqlite:///file.db, redis://host:port/0, rediss://…, unix:///socket or memory:")
    if text in {"sqlite:///", "sqlite:///:memory:"}:
        raise UnfitValueError("must name a file, sqlite:///avtomat.db; what forgets everything is called memory:")
    _refuse_no_url(text)
    return text


def parse_history(value: object) -> str:
    """The URL of a history database."""
    text = parse_text(value)
    if not text.startswith(("postgresql://", "postgres://")):
        raise UnfitValueError("must be postgresql://user@host:port/database")
    _refuse_no_url(text)
    return text


def _refuse_no_url(text: str) -> None:
    """Refuse what nobody could take apart, and never say the text, which may hold a password."""
    try:
        port = urlsplit(text).port
    except ValueError as wrong:
        what = "its port is not a number from 1 to 65535" if "ort" in str(wrong) else "its host is not written as one"
        raise UnfitValueError(f"is not a URL: {what}") from None
    if port == 0:
        raise UnfitValueError("is not a URL: its port is not a number from 1 to 65535")


def parse_hosts(value: object) -> tuple[str, ...]:
    """A list of names, addresses and networks, each with a port or without; in a text with commas."""
    if isinstance(value, str):
        value = [each for each in value.replace(",", " ").split() if each]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UnfitValueError('must be a list of hosts: ["crm.internal", "10.0.0.0/8", "localhost:8000"]')
    for each in value:
        _check_host(each)
    return tuple(value)


def _check_host(text: str) -> None:
    try:
        host, port = split_port(text)
    except ValueError:
        host, port = "", None
    if port is not None and not 0 < port < 65_536:
        raise UnfitValueError(f"{text!r} has a port that is not a number from 1 to 65535")
    if _HOST_NAME.fullmatch(host) and not _NUMBERS_ALONE.fullmatch(host):
        return
    try:
        ip_network(host)
    except ValueError:
        expected = "a name, an address or a network (its address with zeros behind /), each with :port or without"
        raise UnfitValueError(f"{text!r} is no host: write {expected}") from None


def split_port(entry: str) -> tuple[str, int | None]:
    """A host, address or network, and the port behind it, if any. Raises ValueError for a port that is none."""
    if entry.startswith("["):
        host, closing, rest = entry[1:].partition("]")
        if not closing or (rest and not rest.startswith(":")):
            raise ValueError(entry)
        return host, int(rest[1:]) if rest else None
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, int(port)
    return entry, None


def parse_ports(value: object) -> tuple[int, ...]:
    """A list of ports; in a text with commas."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list) or not value:
        raise UnfitValueError("must be a list of ports: [80, 443]")
    parse = between(1, 65_535)
    return tuple(parse(each) for each in value)


def parse_identity(value: object) -> str:
    """A word that names a store."""
    text = parse_text(value)
    if _IDENTITY.fullmatch(text) is None:
        raise ValueError("must be 1 to 64 letters, digits, _ and -")
    return text


def parse_token(value: object) -> str:
    """A bearer token: printable ASCII without white space, as a header can carry it."""
    text = parse_text(value)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UnfitValueError("must be printable ASCII without white space")
    return text


def parse_signing_secret(value: object) -> str:
    """A secret by which something is signed: as a token, and too long to be guessed."""
    text = parse_token(value)
    if len(text) < SIGNING_CHARACTERS_MIN:
        raise UnfitValueError(
            f"must have at least {SIGNING_CHARACTERS_MIN} characters, such as `openssl rand -hex 32` prints"
        )
    return text


def parse_address(value: object) -> str:
    """The address of a web server: http or https, a host, perhaps a port and a path."""
    text = parse_text(value)
    _refuse_no_url(text)
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise UnfitValueError("must be an address such as https://avtomat.example.com")
    return text.rstrip("/")


def parse_span(value: object) -> timedelta:
    """A duration longer than nothing."""
    span = parse_span_or_nothing(value)
    if not span:
        raise UnfitValueError("must be longer than nothing")
    return span


def parse_span_or_nothing(value: object) -> timedelta:
    """A duration."""
    if not isinstance(value, str):
        raise UnfitValueError(f"must be a duration: {duration_hint(str(value))}")
    span = parse_duration(value.strip())
    if span is None:
        raise UnfitValueError(f"{value!r} is not a duration: {duration_hint(value)}")
    return span


def parse_size(value: object) -> int:
    """A number of bytes."""
    found = _SIZE.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if found is None or not int(found[1]):
        raise UnfitValueError(f"{value!r} is not a size: write 512kB, 1MB or 1MiB")
    return int(found[1]) * _SIZE_UNITS[found[2]]


def between(least: int, most: int) -> Parse:
    """A whole number within both bounds."""

    def parse(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise UnfitValueError(f"{value!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def one_of(*words: str) -> Parse:
    """One of the words, in any case."""

    def parse(value: object) -> str:
        text = str(value).strip().lower()
        if text not in words:
            raise UnfitValueError(f"{value!r} is none of {', '.join(words)}")
        return text

    return parse


def parse_config(value: object) -> Mapping[str, Json]:
    """A table of JSON values; a flag or variable brings it as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UnfitValueError(f"is not JSON: {error}") from None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UnfitValueError(f"holds what JSON cannot say (dates need quotes): {error}") from None
    if not isinstance(value, dict):
        raise UnfitValueError("must be a table of names and values")
    return value


def parse_secrets(value: object) -> Mapping[str, SecretSource]:
    """A table of names and of the places where their texts are."""
    if not isinstance(value, dict):
        raise UnfitValueError('must be a table: name = "text", {env = "VARIABLE"} or {file = "path"}')
    return {secret_name(name): _secret_source(name, source) for name, source in value.items()}


def secret_name(name: str) -> str:
    """The name itself if a blueprint can say it."""
    if not _SECRET_NAME.fullmatch(name):
        raise UnfitValueError(f"{name!r} is not a name of a secret: lower-case letters, digits and _, at most 64", name)
    return name


def _secret_source(name: str, source: object) -> SecretSource:
    match source:
        case str(text):
            return InlineSecret(text=text)
        case {"env": str(variable), **rest} if not rest:
            return EnvironmentSecret(variable=variable)
        case {"file": str(path), **rest} if not rest:
            return FileSecret(path=Path(path).expanduser())
    raise UnfitValueError(f'{name} must be "text", {{env = "VARIABLE"}} or {{file = "path"}}', name)


def show_text(value: object) -> str:
    """The value as a person would write it."""
    return "" if value is None else str(value)


def show_span(value: timedelta | None) -> str:
    """The duration in the words that it is written in."""
    return "" if value is None else format_duration(value)


def show_size(value: int) -> str:
    """The size in the largest unit that it is a multiple of."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def show_url(value: str | None) -> str:
    """The URL without its password."""
    return _URL_PASSWORD.sub(rf"\1:{BLANKED}@", value or "")


def show_hidden(value: str | None) -> str:
    """Whether there is a value, and nothing else."""
    return BLANKED if value else ""


def show_list(value: Sequence[object]) -> str:
    """The members with commas."""
    return ", ".join(map(str, value))


def show_json(value: Mapping[str, Json]) -> str:
    """The table as JSON."""
    return json.dumps(value, ensure_ascii=False)


def show_secrets(value: Mapping[str, SecretSource]) -> str:
    """The names of the secrets, and where each is kept."""
    return ", ".join(f"{name} ({_place(source)})" for name, source in sorted(value.items()))


def _place(source: SecretSource) -> str:
    match source:
        case EnvironmentSecret(variable=variable):
            return f"env {variable}"
        case FileSecret(path=path):
            return f"file {path}"
        case InlineSecret():
            return BLANKED


TEXT: Final = Kind(words="text", parse=parse_text, show=show_text)
PATH: Final = Kind(words="path", parse=parse_path, show=show_text)
STORE: Final = Kind(words="URL", parse=parse_store, show=show_url, hidden=True)
HISTORY: Final = Kind(words="URL", parse=parse_history, show=show_url, hidden=True)
TOKEN: Final = Kind(words="text", parse=parse_token, show=show_hidden, hidden=True)
SIGNING: Final = Kind(words="text", parse=parse_signing_secret, show=show_hidden, hidden=True)
ADDRESS: Final = Kind(words="URL", parse=parse_address, show=show_text)
IDENTITY: Final = Kind(words="text", parse=parse_identity, show=show_text)
SPAN: Final = Kind(words="duration", parse=parse_span, show=show_span)
SPAN_OR_NOTHING: Final = Kind(words="duration", parse=parse_span_or_nothing, show=show_span)
SIZE: Final = Kind(words="size", parse=parse_size, show=show_size)
HOSTS: Final = Kind(words="hosts", parse=parse_hosts, show=show_list)
PORTS: Final = Kind(words="ports", parse=parse_ports, show=show_list)
CONFIG: Final = Kind(words="table", parse=parse_config, show=show_json)
SECRETS: Final = Kind(words="table", parse=parse_secrets, show=show_secrets, hidden=True)


def number(least: int, most: int) -> Kind:
    """A whole number within both bounds."""
    return Kind(words=f"{least} to {most}", parse=between(least, most), show=show_text)


def choice(*words: str) -> Kind:
    """One of the words."""
    return Kind(words=", ".join(words), parse=one_of(*words), show=show_text)
