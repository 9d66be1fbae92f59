"""`avtomat dev`: run the engine for one's own machine: loopback only, no tokens, blueprints reloaded as they change.

Whoever is on this machine may do everything, and nobody else: the address must be loopback, and the doors check Host
and Origin, so that no web page can reach in.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Final

from avtomat.blueprint.files import is_folder
from avtomat.cli.dev_news import News
from avtomat.cli.sample_input import sample_of
from avtomat.cli.serving import serve
from avtomat.cli.setting_flags import FLAGGED, add_setting_flags, loaded_settings_of
from avtomat.core.formula import Json
from avtomat.errors import NotFoundError, UsageError
from avtomat.logs import set_up_logs
from avtomat.runtime.service import Service
from avtomat.settings import SQLITE, Settings
from avtomat.settings_loader import DEFAULT, LoadedSettings

FOLDER: Final = ".avtomat"
"""Where the jobs of `dev` are kept inside the project, unless the settings name a store."""

NAMES_SHOWN_MAX: Final = 12


def add_arguments(parser: ArgumentParser) -> None:
    """The project, and flags for the settings that make sense on one's own machine."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="the project's folder (default: this one)"
    )
    add_setting_flags(parser, *(name for name in FLAGGED if name != "processes"))


def run(args: Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 2 for an address that others can reach, 5 when the store cannot be used."""
    if not is_folder(args.folder):
        raise NotFoundError(f"there is no folder {args.folder}", hint="`avtomat init` begins a project")
    loaded = loaded_settings_of(args, folder=args.folder)
    for warning in loaded.warnings:
        print(f"avtomat: warning: {warning}", file=sys.stderr)
    settings = _own_machine(loaded, args.folder)
    set_up_logs(settings)
    return serve(settings, _announce, prepare=News)


def _own_machine(loaded: LoadedSettings, folder: Path) -> Settings:
    """The settings with what makes `dev`: no tokens, one process, jobs inside the project."""
    settings = replace(loaded.settings, client_token=None, worker_token=None, clients=None, workers=None, processes=1)
    if not _is_loopback(settings.host):
        raise UsageError(
            f"{settings.host} can be reached by others, and `avtomat dev` requires no token",
            hint="use 127.0.0.1 or localhost, or `avtomat serve` with tokens",
        )
    if loaded.sources["store"] == DEFAULT:
        settings = replace(settings, store=f"{SQLITE}{_own_folder(folder) / 'avtomat.db'}")
    if settings.link_secret is None:
        is_own = loaded.sources["store"] == DEFAULT
        settings = replace(settings, link_secret=_link_secret(_own_folder(folder) if is_own else None))
    if loaded.sources["blueprints_hold"] == DEFAULT:
        settings = replace(settings, blueprints_hold=timedelta(0))  # nobody else serves an older folder
    if loaded.sources["blueprints"] == DEFAULT and not is_folder(settings.blueprints):
        settings = replace(settings, blueprints=folder)
    return settings


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_folder(project: Path) -> Path:
    """The folder of the store, which no version control shall see."""
    own = project / FOLDER
    try:
        own.mkdir(exist_ok=True)
        (own / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{own}: {error.strerror}", hint="--store names another place for the jobs") from None
    return own


def _link_secret(own: Path | None) -> str:
    """The secret of links to approvals: kept beside the jobs, else one for this run."""
    made = token_hex(32)
    if own is None:
        return made
    file = own / "link_secret"
    try:
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(made, "utf-8")
        return file.read_text("utf-8").strip() or made
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None


def _announce(engine: Service, address: str) -> None:
    """Say in three lines what runs, which blueprints, and how to start a job."""
    settings, blueprints = engine.settings, engine.clients.blueprints()
    place = settings.sqlite_path or settings.store.partition(":")[0]
    print(f"Avtomat {version('avtomat')} on {address} (this machine only), jobs in {place}; Ctrl-C ends it")
    names = [str(each["name"]) for each in blueprints]
    print(f"Blueprints of {settings.blueprints}, reloaded as they change: {_listed(names)}")
    print(f"Start a job: {_curl(engine, address, names)}", flush=True)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
    return ", ".join(names[:NAMES_SHOWN_MAX]) + more or "none yet"


def _curl(engine: Service, address: str, names: Iterable[str]) -> str:
    name = next(iter(names), None)
    if name is None:
        return f"write a blueprint into {engine.settings.blueprints} first"
    blueprint = engine.clients.blueprint(name) or {}
    body: Json = {"input": sample_of(blueprint.get("input"))}
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl '{address}/api/v1/blueprints/{name}/jobs?wait=30' --json {text}"
