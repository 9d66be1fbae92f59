"""Find the files of blueprints, or of their tests, in folders, and read them.

A folder is searched with all below it for `*.yaml` and `*.yml`; hidden files, tests (`*.test.yaml`) and catalogues are
no blueprints. What lies outside of the folder behind a link is refused, and so is what is not a regular file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from avtomat.diagnostics import Diagnostic, Severity

UNREADABLE = "AVT001"
SUFFIXES = (".yaml", ".yml")
_CATALOGUES = ("catalogue.yaml", "catalogue.yml")
ACCESS_FILES = ("clients.toml", "workers.toml")
_READ_BYTES_MAX = 1_000_001


Wanted = Callable[[str], bool]
"""Whether a YAML file of this name is looked for."""


def find_blueprints(paths: Iterable[Path]) -> Iterator[Path | Diagnostic]:
    """Return the files in the order of their names, each once, and a finding for what cannot be taken."""
    return _find(paths, lambda name: not _is_something_else(name))


def find_tests(paths: Iterable[Path]) -> Iterator[Path | Diagnostic]:
    """Return the files of tests, likewise."""
    return _find(paths, is_test)


def is_test(name: str) -> bool:
    """Whether a file of this name holds tests of a blueprint."""
    return name.endswith(SUFFIXES) and name.rpartition(".")[0].endswith(".test")


def is_access_file(name: str) -> bool:
    """Whether a file of this name holds clients or workers: `clients.toml`, `shop-workers.toml`."""
    return name.endswith(ACCESS_FILES)


def _find(paths: Iterable[Path], wanted: Wanted) -> Iterator[Path | Diagnostic]:
    seen: set[str] = set()
    here = os.getcwd()  # noqa: PTH109 - joined to each name below
    for path in paths:
        if not is_folder(path):
            candidates: list[Path | Diagnostic] = [path]
        else:
            candidates = [*_in_folder(path, wanted)]
        for candidate in candidates:
            if isinstance(candidate, Diagnostic):
                yield candidate
            elif (real := os.path.join(here, candidate)) not in seen:  # noqa: PTH118 - a third of what Path takes
                seen.add(real)
                yield candidate


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; a name that is too long for one names none."""
    return os.path.exists(path)  # noqa: PTH110 - Path raises an OSError for such a name


def is_folder(path: Path) -> bool:
    """Whether there is a folder; likewise."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether there is a regular file; likewise."""
    return os.path.isfile(path)  # noqa: PTH113


def read_file(path: Path) -> bytes | Diagnostic:
    """The content of a file, at most a little more than a blueprint may have."""
    try:
        with path.open("rb") as file:
            return file.read(_READ_BYTES_MAX)
    except OSError as error:
        return _refused(path, f"the file cannot be read: {error.strerror or error}")


def _in_folder(folder: Path, wanted: Wanted) -> Iterator[Path | Diagnostic]:
    try:
        root, found = folder.resolve(), sorted(_walk(str(folder), wanted), key=_parts)
    except OSError as error:
        yield _refused(Path(error.filename or folder), f"the folder cannot be read: {error.strerror or error}")
        return
    for entry in found:
        path = Path(entry.path)
        if not _is_file(entry):
            yield _refused(path, "this is not a regular file")
        elif entry.is_symlink() and not path.resolve().is_relative_to(root):
            yield _refused(path, f"the link leads out of {folder}")
        else:
            yield path


def _walk(folder: str, wanted: Wanted) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, wanted)
            elif entry.name.endswith(SUFFIXES) and wanted(entry.name):
                yield entry


def _parts(entry: os.DirEntry[str]) -> list[str]:
    return entry.path.split(os.sep)  # noqa: PTH206 - for thousands of files


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _is_something_else(name: str) -> bool:
    return name in _CATALOGUES or is_test(name)


def _refused(path: Path, message: str) -> Diagnostic:
    return Diagnostic(
        code=UNREADABLE, severity=Severity.ERROR, message=message, file=str(path), line=1, column=1, hint=None
    )
