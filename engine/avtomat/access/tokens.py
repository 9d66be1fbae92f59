"""Find the tokens that a file refers to, and hash them: what is kept is their SHA-256."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from avtomat.access.fields import Document, EnvironmentToken, FileToken, TokenSource, WrittenToken
from avtomat.access.model import Digest
from avtomat.blueprint.findings.codes_access import NO_TOKEN_THERE, TOKEN_TWICE
from avtomat.blueprint.findings.finding import Finding
from avtomat.errors import SecretError
from avtomat.secrets import read_secret_file
from avtomat.setting_kinds import UnfitValueError, parse_token

T = TypeVar("T")
TOKEN_CHARACTERS_MIN: Final = 16


def digest_of(token: str) -> Digest:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def referred_files(tokens: Iterable[WrittenToken], folder: Path) -> Iterator[Path]:
    """The files in which tokens are; relative ones start at `folder`."""
    for token in tokens:
        if isinstance(token.source, FileToken):
            yield folder / Path(token.source.path).expanduser()


def by_digest(
    document: Document[T], *, folder: Path, environ: Mapping[str, str]
) -> tuple[dict[Digest, T], list[Finding]]:
    """Who comes with which token, and what is wrong with tokens that are kept elsewhere."""
    found: dict[Digest, T] = {}
    findings: list[Finding] = []
    for token in document.tokens:
        span = document.text.at(token.path)
        digest = _digest(token.source, folder, environ)
        if isinstance(digest, str):
            findings.append(NO_TOKEN_THERE.at(span, digest))
        elif digest in found:
            findings.append(TOKEN_TWICE.at(span, "this token is the same as another one of the file"))
        else:
            found[digest] = document.entries[token.owner]
    return found, findings


def _digest(source: TokenSource, folder: Path, environ: Mapping[str, str]) -> Digest | str:
    """The digest, or why there is none."""
    match source:
        case bytes():
            return source
        case EnvironmentToken(variable=variable):
            said, where = environ.get(variable, ""), f"the variable {variable}"
            if not said:
                return f"{where} is not set"
        case FileToken(path=path):
            where = path
            try:
                said = read_secret_file(folder / Path(path).expanduser())
            except SecretError as error:
                return error.message
    try:
        token = parse_token(said)
    except UnfitValueError as unfit:
        return f"what {where} has {unfit}"
    if len(token) < TOKEN_CHARACTERS_MIN:
        return f"what {where} has is shorter than {TOKEN_CHARACTERS_MIN} characters"
    return digest_of(token)
