"""Remember what the checker found, by content, so that a file that did not change is not checked again.

One file in the user's cache folder holds the findings of the last runs under the digest of the text and of the checker
itself. It is a convenience: a file that is missing, damaged or of another checker is the same as an empty one, and
nothing that fails here is told to anybody. Its first line is the digest of the rest.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from avtomat.core.formula import Json
from avtomat.diagnostics import Diagnostic

ENTRIES_MAX = 20_000
FILE_BYTES_MAX = 64_000_000


Need = tuple[str, str, int, int]
"""`secrets` or `config`, the name that is read there, and the line and column where it is first written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was found in a text, in no file yet, its blueprint's name with its place, what it needs of settings, and
    what it runs (see `families.Run`).
    """

    diagnostics: tuple[Diagnostic, ...]
    name: tuple[str, int, int] | None
    needs: tuple[Need, ...] = ()
    runs: tuple[tuple[str, int, int, bool], ...] = ()


class FindingsCache:
    """The findings of earlier runs. `save` writes those that this run asked for or added."""

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / f"findings-{checker_digest()[:16]}.json"
        self._old: Mapping[str, Json] = {} if self._file is None else _load(self._file)
        self._used: dict[str, Json] = {}
        self._is_changed = False

    def get(self, content: bytes) -> Remembered | None:
        """What is known about a text."""
        key = _key(content)
        entry = self._used.get(key) or self._old.get(key)
        if entry is None:
            return None
        self._used[key] = entry
        return _from_json(entry)

    def put(self, content: bytes, remembered: Remembered) -> None:
        """Remember what was found in a text."""
        self._used[_key(content)] = _as_json(remembered)
        self._is_changed = True

    def save(self) -> None:
        """Write the file anew, whole or not at all; it keeps the latest entries."""
        if self._file is None or not self._is_changed:
            return
        entries = {**{key: value for key, value in self._old.items() if key not in self._used}, **self._used}
        kept = dict([*entries.items()][-ENTRIES_MAX:])
        with suppress(OSError):
            _write(self._file, orjson.dumps(kept))


def user_cache_folder() -> Path | None:
    """Where this user's caches are; None when there is no such place."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "avtomat"
    if sys.platform == "darwin":
        return _home("Library/Caches/avtomat")
    return _home(".cache/avtomat")


def _home(path: str) -> Path | None:
    try:
        return Path.home() / path
    except RuntimeError:
        return None


@cache
def checker_digest() -> str:
    """The identity of this checker: of its own files, and of those that it stands on."""
    package = Path(__file__).resolve().parent
    schemas = (package.parent / "schemas", package.parent.parent.parent / "schemas")
    files = [*package.rglob("*.py"), *(package.parent / "core").glob("*.py")]
    files += [file for folder in schemas for file in folder.glob("blueprint.schema.json")]
    known = sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return hashlib.sha256(repr((sys.version, known)).encode()).hexdigest()


@cache
def checker_identity() -> str:
    """The identity of this checker by what its files hold: the same on all machines that have the same version."""
    package = Path(__file__).resolve().parent
    files = [*package.rglob("*.py"), *(package.parent / "core").glob("*.py")]
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(b"%s %d " % (file.name.encode(), len(content)) + content)
    return digest.hexdigest()[:16]


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _load(file: Path) -> Mapping[str, Json]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            return {}
        digest, _, body = file.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return {}
        loaded = orjson.loads(body)
    except (OSError, orjson.JSONDecodeError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _write(file: Path, body: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".findings-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _remove_others(file)


def _remove_others(file: Path) -> None:
    """Leave no files of older checkers behind."""
    for other in file.parent.glob("findings-*.json"):
        if other != file:
            other.unlink(missing_ok=True)


def _as_json(remembered: Remembered) -> Json:
    return [[each.as_json() for each in remembered.diagnostics], remembered.name, remembered.needs, remembered.runs]


def _from_json(entry: Json) -> Remembered:
    found, name, needs, runs = entry
    return Remembered(
        diagnostics=tuple(map(Diagnostic.from_json, found)),
        name=None if name is None else (name[0], name[1], name[2]),
        needs=tuple((kind, named, line, column) for kind, named, line, column in needs),
        runs=tuple((run, line, column, always) for run, line, column, always in runs),
    )
