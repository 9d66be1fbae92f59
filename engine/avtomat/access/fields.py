"""Read the tables of a file that says who may do what, and note all that is wrong, each with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from avtomat.access.model import Digest
from avtomat.access.toml import Json, Path, TomlText
from avtomat.blueprint.findings.codes_access import (
    MISSING_KEY,
    NO_TOKEN,
    NO_TOKEN_FORM,
    TOKEN_TWICE,
    UNFIT_NAME,
    UNFIT_VALUE,
    UNKNOWN_KEY,
)
from avtomat.blueprint.findings.finding import Code, Finding, arrange
from avtomat.diagnostics import Severity
from avtomat.suggest import did_you_mean

TOKENS_MAX: Final = 100
"""So many tokens may one client or worker have."""

PATTERNS_MAX: Final = 100
TEXT_MAX: Final = 256
HASHED: Final = "sha256:"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentToken:
    """The token is the value of a variable."""

    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToken:
    """The token is in a file."""

    path: str


TokenSource = Digest | EnvironmentToken | FileToken


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenToken:
    """A token of an entry, and where it is written."""

    owner: str
    source: TokenSource
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Generic[T]):
    """What a file says: its entries by name, and their tokens, of which some must still be looked for."""

    text: TomlText
    entries: Mapping[str, T]
    tokens: tuple[WrittenToken, ...]


Reading: TypeAlias = tuple[Document[T] | None, list[Finding]]
"""The document, unless a finding refuses it, and all findings, in the order of the file."""


class Fields:
    """The file under way: its text, what is wrong with it, and the tokens that it names."""

    def __init__(self, text: TomlText) -> None:
        self.text = text
        self.findings: list[Finding] = []
        self.tokens: list[WrittenToken] = []
        self._seen: dict[TokenSource, Path] = {}

    def wrong(self, code: Code, path: Path, message: str, hint: str | None = None) -> None:
        """The value at `path` is wrong."""
        self.findings.append(code.at(self.text.at(path), message, hint))

    def wrong_key(self, code: Code, path: Path, message: str, hint: str | None = None) -> None:
        """The last key of `path` is wrong."""
        self.findings.append(code.at(self.text.key(path), message, hint))

    def table(self, path: Path, value: Json, known: Iterable[str], what: str) -> Mapping[str, Json]:
        """The table at `path`, without the keys that are not known; empty where it is none."""
        if not isinstance(value, dict):
            self.wrong(UNFIT_VALUE, path, f"{what} is a table")
            return {}
        for key in value:
            if key not in known:
                meant = did_you_mean(key, known)
                hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
                self.wrong_key(UNKNOWN_KEY, (*path, key), f"{what} has no key {key[:80]!r}", hint)
        return {key: each for key, each in value.items() if key in known}

    def entries(self, name: str, fits: Callable[[str], str | None], what: str) -> Iterator[tuple[str, Path, Json]]:
        """The tables below the top table `name`, each with its name and path; a name is wrong for what `fits` says."""
        below = self.text.value.get(name, {})
        if not isinstance(below, dict):
            self.wrong(UNFIT_VALUE, (name,), f"{name} is a table of tables: [{name}.NAME]")
            return
        for key, value in below.items():
            path = (name, key)
            unfit = fits(key)
            if unfit is not None:
                self.wrong_key(UNFIT_NAME, path, f"{key[:80]!r} is not a name of a {what}", unfit)
            yield key, path, value

    def number(self, path: Path, value: Json, most: int) -> int | None:
        """A whole number above zero."""
        if type(value) is int and 0 < value <= most:
            return value
        self.wrong(UNFIT_VALUE, path, f"{path[-1]} is a whole number from 1 to {most}")
        return None

    def word(self, path: Path, value: Json, words: Iterable[str]) -> str | None:
        """One of a few words."""
        if isinstance(value, str) and value in words:
            return value
        meant = did_you_mean(value, words) if isinstance(value, str) else None
        hint = f"did you mean {meant}?" if meant else None
        said = repr(value[:80]) if isinstance(value, str) else "this"
        self.wrong(UNFIT_VALUE, path, f"{said} is none of {', '.join(words)}", hint)
        return None

    def required(self, path: Path, table: Mapping[str, Json], names: Iterable[str], example: str) -> bool:
        """Whether the table at `path` has all of these keys."""
        missing = [name for name in names if name not in table]
        if missing:
            self.wrong_key(MISSING_KEY, path, f"{path[-1]} needs {' and '.join(missing)}", f"write {example}")
        return not missing

    def texts(self, path: Path, value: Json, fit: re.Pattern[str], what: str) -> tuple[str, ...]:
        """A list of texts of this form, none of them twice."""
        if not isinstance(value, list) or len(value) > PATTERNS_MAX:
            self.wrong(UNFIT_VALUE, path, f"{path[-1]} is a list of at most {PATTERNS_MAX} {what}")
            return ()
        found: list[str] = []
        for number, each in enumerate(value):
            if not isinstance(each, str) or not fit.fullmatch(each):
                self.wrong(UNFIT_VALUE, (*path, number), f"{path[-1]} is a list of {what}")
            elif each in found:
                self.wrong(UNFIT_VALUE, (*path, number), f"{each} is listed twice")
            else:
                found.append(each)
        return tuple(found)

    def outcome(self, entries: Mapping[str, T]) -> Reading[T]:
        """What came of the file, with these entries."""
        findings = arrange(self.findings)
        if any(finding.code.severity is Severity.ERROR for finding in findings):
            return None, findings
        return Document(text=self.text, entries=entries, tokens=tuple(self.tokens)), findings

    # --- tokens -------------------------------------------------------------------------------------------------------

    def read_tokens(self, owner: str, path: Path, table: Mapping[str, Json]) -> None:
        """Note the tokens of an entry, in its list `tokens`."""
        value = table.get("tokens", [])
        below = (*path, "tokens")
        if not isinstance(value, list) or len(value) > TOKENS_MAX:
            self.wrong(UNFIT_VALUE, below, f"tokens is a list of at most {TOKENS_MAX} tokens")
            return
        if not value:
            self.wrong_key(NO_TOKEN, path, f"{owner} has no token", "`avtomat tokens new` makes one")
        for number, each in enumerate(value):
            place = (*below, number)
            source = _source_of(each)
            if source is None:
                self.wrong(NO_TOKEN_FORM, place, *_no_token(each))
            elif source in self._seen:
                line = self.text.at(self._seen[source]).line
                self.wrong(TOKEN_TWICE, place, f"line {line} has the same token")
            else:
                self._seen[source] = place
                self.tokens.append(WrittenToken(owner=owner, source=source, path=place))


def _source_of(value: Json) -> TokenSource | None:
    match value:
        case str(text) if text.startswith(HASHED) and _DIGEST.fullmatch(text.removeprefix(HASHED)):
            return bytes.fromhex(text.removeprefix(HASHED))
        case {"env": str(variable), **rest} if variable and not rest:
            return EnvironmentToken(variable=variable)
        case {"file": str(path), **rest} if path and not rest:
            return FileToken(path=path)
    return None


def _no_token(value: Json) -> tuple[str, str]:
    """What to say of it. The text itself is never shown: it may be a token."""
    if isinstance(value, str) and value.lower().startswith(HASHED):
        return "sha256: is followed by 64 digits from 0 to f, in lower case", "`printf %s TOKEN | sha256sum` gives them"
    if isinstance(value, str):
        hint = "write sha256: and what `printf %s TOKEN | sha256sum` gives; and make a new token, for this one was read"
        return "the file must not hold the token itself", hint
    return 'a token is a text sha256:…, {env = "VARIABLE"} or {file = "path"}', "`avtomat tokens new` makes one"
