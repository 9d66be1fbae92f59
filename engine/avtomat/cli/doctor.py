"""`avtomat doctor`: check this installation, its settings and its store; change nothing.

Each check is a generator of findings; the store is looked at by `doctor_store`.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from avtomat.blueprint.files import is_folder
from avtomat.cli.doctor_store import store_findings
from avtomat.cli.finding import Finding, error, ok, warning
from avtomat.cli.setting_flags import add_setting_flags, loaded_settings_of
from avtomat.errors import SecretError
from avtomat.secrets import Secrets
from avtomat.settings import Settings, variable_of

PYTHON_MIN: Final = (3, 11)
TOKEN_LENGTH_MIN: Final = 32
_REQUIREMENT_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def add_arguments(parser: ArgumentParser) -> None:
    """The project, and the form of the answer."""
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, help="the project's folder (default: this one)")
    parser.add_argument("-o", dest="form", choices=("text", "json"), default="text", help="form of the answer")
    add_setting_flags(parser, "store", "blueprints")


def run(args: Namespace) -> int:
    """Print what was found; 1 if something must be fixed."""
    loaded = loaded_settings_of(args, folder=args.folder)
    settings = loaded.settings
    findings = [
        *_python(),
        *_packages(),
        *map(warning, loaded.warnings),
        *_blueprints(settings.blueprints),
        *_undeclared(settings),
        *_tokens(settings),
        *_secrets(settings),
        *store_findings(settings),
    ]
    print(_json_of(findings) if args.form == "json" else _text_of(findings))
    return int(any(finding.level == "error" for finding in findings))


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info < PYTHON_MIN:
        yield error(f"Python {version} is too old", hint="Python 3.11 or later is needed")
    else:
        yield ok(f"Python {version}")


def _packages() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, requires, version

    needed = [text for text in requires("avtomat") or [] if "extra ==" not in text]
    missing = []
    for requirement in needed:
        found = _REQUIREMENT_NAME.match(requirement)
        assert found is not None, requirement
        try:
            version(found[0])
        except PackageNotFoundError:
            missing.append(requirement)
    if missing:
        yield error(f"packages are missing: {', '.join(missing)}", hint="pip install --force-reinstall avtomat")
    else:
        yield ok(f"Avtomat {version('avtomat')} with {len(needed)} packages")


def _blueprints(folder: Path) -> Iterator[Finding]:
    if not is_folder(folder):
        hint = "`avtomat init` begins a project; --blueprints names another folder"
        yield error(f"there is no folder of blueprints {folder}", hint=hint)
        return
    count = sum(1 for _ in chain(folder.rglob("*.yaml"), folder.rglob("*.yml")))
    if count:
        yield ok(f"{count} YAML files in {folder}")
    else:
        yield warning(f"no YAML files in {folder}")


def _undeclared(settings: Settings) -> Iterator[Finding]:
    """What blueprints name and the settings do not have; what is wrong with a blueprint itself is not told here."""
    from avtomat.blueprint.compiler import examine_text
    from avtomat.blueprint.files import find_blueprints, read_file
    from avtomat.core.program import Program
    from avtomat.runtime.blueprints.undeclared import undeclared

    for file in find_blueprints([settings.blueprints]) if is_folder(settings.blueprints) else ():
        content = read_file(file) if isinstance(file, Path) else None
        examined = examine_text(content) if isinstance(content, bytes) else None
        program = examined.built() if examined is not None and examined.is_good else None
        if isinstance(program, Program):
            for text in undeclared(program, settings):
                yield warning(text, hint="declare it in avtomat.toml, or leave it out of the blueprint")


def _tokens(settings: Settings) -> Iterator[Finding]:
    tokens = {
        "client_token": (settings.client_token, settings.clients),
        "worker_token": (settings.worker_token, settings.workers),
    }
    for name, (token, file) in tokens.items():
        variable = variable_of(name)
        if token is None and file is not None:
            yield ok(f"{variable} is not set; the tokens are those of {file}")
        elif token is None:
            yield warning(f"{variable} is not set; `serve` does not start without it", hint="`dev` needs none")
        elif len(token) < TOKEN_LENGTH_MIN:
            yield warning(f"{variable} is short: {len(token)} characters", hint="openssl rand -hex 32 makes a good one")
        else:
            yield ok(f"{variable} is set")
    if settings.client_token is not None and settings.client_token == settings.worker_token:
        yield warning("clients and workers have the same token", hint="each worker could act as an admin")
    if settings.worker_token_secret is not None and settings.worker_token_secret == settings.task_secret:
        yield warning(
            "task_secret and worker_token_secret are the same",
            hint="each worker that checks tasks could make tokens of other workers",
        )


def _secrets(settings: Settings) -> Iterator[Finding]:
    import os

    secrets = Secrets(settings.secrets, environ=os.environ)
    for name in sorted(secrets.names):
        try:
            secrets.text_of(name)
        except SecretError as problem:
            yield error(f"secret {name}: {problem}", hint=problem.hint)
        else:
            yield ok(f"secret {name} can be read")


def _text_of(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.text}")
        if finding.hint:
            lines.append(f"{'':<8} hint: {finding.hint}")
    return "\n".join(lines)


def _json_of(findings: list[Finding]) -> str:
    return json.dumps({"findings": [finding._asdict() for finding in findings]}, indent=2, ensure_ascii=False)
