"""Check files of settings, and what blueprints need of them: secrets and constants that are declared nowhere.

Only what the file says counts, not the variables of this machine: a check means the same everywhere. A blueprint's
settings are those of the nearest avtomat.toml in its folder or above, if that file names a folder of blueprints in
which it lies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from avtomat.blueprint.cache import Need
from avtomat.blueprint.files import is_file, read_file
from avtomat.core.program import Program
from avtomat.diagnostics import Diagnostic, Severity
from avtomat.settings import Settings

FILE_NAME = "avtomat.toml"
CALLS = "calls"
"""The kind of a need that is an origin to which requests go."""


def needs_of(program: Program, content: bytes) -> Iterator[Need]:
    """The secrets and constants that a program needs, each with the place where it is first written."""
    from avtomat.core.kinds.calls import origins_called
    from avtomat.core.reads import constants_needed, secrets_named

    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    for kind, names in (("secrets", secrets_named(program)), ("config", constants_needed(program))):
        for name in sorted(names):
            yield (kind, name, *_first_place(text, kind, name))
    for origin in origins_called(program):
        yield (CALLS, origin, *_place(text, text.find(origin)))


def _first_place(text: str, kind: str, name: str) -> tuple[int, int]:
    found = re.search(rf"\b{kind}\s*(?:\.\s*{re.escape(name)}\b|\[\s*['\"]{re.escape(name)}['\"])", text)
    return _place(text, -1 if found is None else found.start())


def _place(text: str, at: int) -> tuple[int, int]:
    """Line and column of a character; those of the first one where it is not known."""
    return (1, 1) if at < 0 else (text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def check_settings(file: Path, content: bytes | None = None) -> tuple[Settings | None, list[Diagnostic]]:
    """The settings of a file, or of what counts as its content, and what is wrong there, with its place."""
    from avtomat.cli.toml_places import place_of, place_of_fault
    from avtomat.errors import SettingsError
    from avtomat.settings_loader import load_settings

    read = read_file(file) if content is None else content
    if isinstance(read, Diagnostic):
        return None, [read]
    try:
        text = read.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, [_finding(file, str(error), Severity.ERROR)]
    try:
        loaded = load_settings(environ={}, file=file, text=text)
    except SettingsError as wrong:
        found = []
        for line, keys in zip(wrong.message.split("\n"), wrong.keys, strict=True):
            message = line.removeprefix(f"{file}: ")
            place, message = (place_of(text, keys), message) if keys else place_of_fault(text, message)
            found.append(_finding(file, message, Severity.ERROR, place.line, place.column, place.end_column))
        return None, found
    return loaded.settings, [_finding(file, warning, Severity.WARNING) for warning in loaded.warnings]


def _finding(
    file: Path, message: str, severity: Severity, line: int = 1, column: int = 1, end_column: int | None = None
) -> Diagnostic:
    return Diagnostic(
        code="settings",
        severity=severity,
        message=message,
        file=str(file),
        line=line,
        column=column,
        end_column=end_column,
    )


def _refusal_of(origin: str, settings: Settings) -> str | None:
    """Why these settings refuse calls to an origin, as far as that is known without a resolver."""
    from avtomat.runtime.outgoing.addresses import Allowed, Refused
    from avtomat.runtime.outgoing.urls import read_url

    try:
        read_url(origin, Allowed(settings.calls_allow, settings.calls_ports))
    except Refused as refused:
        return str(refused)
    return None


class Declared:
    """What the settings of blueprints declare; each file of settings is read once. `diagnostics` are about these."""

    def __init__(self, named: Path | None) -> None:
        self._named = named
        self._files: dict[Path, Path | None] = {}
        self._settings: dict[Path, Settings | None] = {}
        self.diagnostics: list[Diagnostic] = []

    def missing(self, blueprint: Path, needs: Sequence[Need]) -> Iterator[Diagnostic]:
        """Warnings about what a blueprint needs and its settings do not have."""
        file = self._named or self._file_above(blueprint.absolute().parent)
        settings = None if file is None else self._settings_of(file)
        if file is None or settings is None:
            return
        if self._named is None and not blueprint.resolve().is_relative_to(settings.blueprints.resolve()):
            return
        declared: dict[str, Collection[str]] = {"secrets": settings.secrets, "config": settings.config}
        for kind, name, line, column in needs:
            if kind == CALLS:
                if (why := _refusal_of(name, settings)) is not None:
                    message = f"calls to {name} are refused: {why}"
                    yield _finding(blueprint, message, Severity.WARNING, line, column, column + len(name))
            elif name not in declared[kind]:
                written = f"{kind}.{name}"
                message = f"{written} is not declared in {file.name}"
                yield replace(
                    _finding(blueprint, message, Severity.WARNING, line, column, column + len(written)),
                    hint=f"declare {name} under [{kind}] in {file.name}, or leave it out of the blueprint",
                )

    def _file_above(self, folder: Path) -> Path | None:
        passed = []
        found: Path | None = None
        for each in (folder, *folder.parents):
            if each in self._files:
                found = self._files[each]
                break
            passed.append(each)
            if is_file(each / FILE_NAME):
                found = each / FILE_NAME
                break
        self._files.update(dict.fromkeys(passed, found))
        return found

    def _settings_of(self, file: Path) -> Settings | None:
        if file not in self._settings:
            settings, found = check_settings(file)
            self._settings[file] = settings
            self.diagnostics += found
        return self._settings[file]
