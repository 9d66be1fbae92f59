"""`avtomat config`: show all settings and where each comes from; tokens, passwords and secrets are blanked."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from avtomat.cli.setting_flags import FLAGGED, add_setting_flags, loaded_settings_of
from avtomat.settings import DOC_OF, KIND_OF
from avtomat.settings_loader import LoadedSettings


def add_arguments(parser: ArgumentParser) -> None:
    """The folder, the form of the answer, and a flag for each setting: to see what it would do."""
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, help="the project's folder (default: this one)")
    parser.add_argument("-o", dest="form", choices=("text", "json"), default="text", help="form of the answer")
    add_setting_flags(parser, *FLAGGED)


def run(args: Namespace) -> int:
    """Print all settings in the order of the documentation."""
    loaded = loaded_settings_of(args, folder=args.folder)
    for warning in loaded.warnings:
        print(f"avtomat: warning: {warning}", file=sys.stderr)
    print(_json_of(loaded) if args.form == "json" else _table_of(loaded))
    return 0


def _shown(loaded: LoadedSettings) -> dict[str, str]:
    return {name: kind.show(getattr(loaded.settings, name)) for name, kind in KIND_OF.items()}


def _table_of(loaded: LoadedSettings) -> str:
    shown = _shown(loaded)
    name_width = max(map(len, shown))
    value_width = min(max(map(len, shown.values())), 60)
    return "\n".join(
        f"{name:<{name_width}}  {value or '-':<{value_width}}  {loaded.sources[name]}" for name, value in shown.items()
    )


def _json_of(loaded: LoadedSettings) -> str:
    rows = {
        name: {"value": value, "source": loaded.sources[name], "doc": DOC_OF[name]}
        for name, value in _shown(loaded).items()
    }
    return json.dumps(rows, indent=2, ensure_ascii=False)
