"""Give a command flags for settings, and load the settings with what was given.

A flag's value is read by its setting's kind, exactly as a variable's is; argparse only carries the text.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from avtomat.settings import DOC_OF, KIND_OF, Settings, flag_of
from avtomat.settings_loader import LoadedSettings, load_settings

_DESTINATION: Final = "setting_"
_NOT_FLAGGED: Final = frozenset(
    {"client_token", "worker_token", "task_secret", "worker_token_secret", "config", "secrets"}
)

FLAGGED: Final = tuple(name for name in KIND_OF if name not in _NOT_FLAGGED)
"""Settings that have a flag: not the tables, and not what every user of the machine could read in its process list."""


def add_setting_flags(parser: ArgumentParser, *names: str) -> None:
    """Add `--settings FILE` and a flag for each of the named settings."""
    group = parser.add_argument_group("settings")
    group.add_argument("--settings", metavar="FILE", type=Path, help="instead of avtomat.toml in the project's folder")
    for name in names:
        group.add_argument(
            flag_of(name),
            dest=_DESTINATION + name,
            metavar=_placeholder(KIND_OF[name].words),
            help=f"{DOC_OF[name]} (default: {_default_of(name)})".replace("%", "%%"),
        )


def _placeholder(words: str) -> str:
    """`DURATION`, `1-256`, `text|json`: what people write there."""
    if " to " in words:
        return words.replace(" to ", "-")
    return words.replace(", ", "|") if "," in words else words.upper()


def _default_of(name: str) -> str:
    """The default in the form in which it is written; for an empty one, so."""
    value = getattr(Settings(), name)
    return "none" if value in (None, "") else str(KIND_OF[name].show(value))


def settings_of(args: Namespace, *, folder: Path | None = None) -> Settings:
    """The settings of the project in `folder` (default: here); warnings go to stderr. SettingsError lists findings."""
    loaded = loaded_settings_of(args, folder=folder)
    for warning in loaded.warnings:
        print(f"avtomat: warning: {warning}", file=sys.stderr)
    return loaded.settings


def loaded_settings_of(args: Namespace, *, folder: Path | None = None) -> LoadedSettings:
    """The same with the source of each setting, and with the warnings for the caller to show."""
    given = {
        name.removeprefix(_DESTINATION): value for name, value in vars(args).items() if name.startswith(_DESTINATION)
    }
    return load_settings(environ=os.environ, flags=given, folder=folder or Path(), file=args.settings)
