"""Give the text of a secret when a task is handed out, never before.

A secret is known by name; where its text is kept is said in `[secrets]` of avtomat.toml or by AVTOMAT_SECRET_<NAME>.
Files and variables are read at each hand-out, so a rotated secret counts at once. No value is printed by this module:
not by `repr`, not in the text of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, assert_never

from avtomat.errors import SecretError

FILE_BYTES_MAX: Final = 64 * 1024
BLANKED: Final = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSecret:
    """The text itself, written down in the settings: for development."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSecret:
    """The text is the value of an environment variable."""

    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSecret:
    """The text is in a file (UTF-8, one final line break does not count), as container platforms mount them."""

    path: Path


SecretSource = InlineSecret | EnvironmentSecret | FileSecret


class Secrets:
    """All secrets that this engine may hand out, by name."""

    __slots__ = ("_environ", "_sources")

    def __init__(self, sources: Mapping[str, SecretSource], *, environ: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._environ = environ

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._sources))})"

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    @property
    def names(self) -> frozenset[str]:
        """What blueprints may ask for."""
        return frozenset(self._sources)

    def text_of(self, name: str) -> str:
        """The text of the secret, read now. SecretError: nobody declared it, or it is not where it was said to be."""
        source = self._sources.get(name)
        match source:
            case None:
                raise SecretError(
                    f"secret {name!r} is not declared",
                    code="secret.undeclared",
                    hint=f"name it under [secrets] in avtomat.toml, or set AVTOMAT_SECRET_{name.upper()}",
                )
            case InlineSecret(text=text):
                return text
            case EnvironmentSecret(variable=variable):
                return self._from_environment(name, variable)
            case FileSecret(path=path):
                return read_secret_file(path)
        assert_never(source)

    def _from_environment(self, name: str, variable: str) -> str:
        try:
            return self._environ[variable]
        except KeyError:
            raise SecretError(f"secret {name!r}: the variable {variable} is not set") from None


def read_secret_file(path: Path) -> str:
    """The text of a secret that is kept in a file. SecretError says why it cannot be read, and shows nothing of it."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(content) > FILE_BYTES_MAX:
        raise SecretError(f"{path}: longer than {FILE_BYTES_MAX} bytes")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"{path}: not UTF-8") from None
