"""Collect the settings from where they are said: flag > AVTOMAT_… > avtomat.toml > default.

All findings are reported together. A key of avtomat.toml that is not a setting is an error, a variable AVTOMAT_… that
is not one is a warning: the file is ours, the environment is shared. A variable with an empty value counts as not set.
Relative paths in avtomat.toml, and the defaults, start at the folder of that file; those of flags and variables at the
working directory.
"""

from __future__ import annotations

import tomllib
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from avtomat.errors import SecretError, SettingsError
from avtomat.secrets import FileSecret, SecretSource, read_secret_file
from avtomat.setting_kinds import UnfitValueError
from avtomat.settings import KIND_OF, SQLITE, Settings, flag_of, variable_of
from avtomat.suggest import did_you_mean

FILE_NAME: Final = "avtomat.toml"
FILE_VARIABLE: Final = "AVTOMAT_SETTINGS"
DEFAULT: Final = "default"
_PREFIX: Final = "AVTOMAT_"
_SECRET_PREFIX: Final = "AVTOMAT_SECRET_"  # noqa: S105 - a name, not a password
_OTHER_VARIABLES: Final = frozenset(
    {
        FILE_VARIABLE,
        "AVTOMAT_URL",  # where commands find the engine
        "AVTOMAT_WORKER_SIGNING",  # whether a worker signs what it sends
        *("AVTOMAT_JOB_ID", "AVTOMAT_TASK_ID", "AVTOMAT_ATTEMPT", "AVTOMAT_IDEMPOTENCY_KEY"),  # told to shell tasks
    }
)
_HERE: Final = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, where each came from (by name), and what should be said on stderr."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Layer:
    """What one source says: values by name, the label of each, and the folder where its relative paths start."""

    base: Path
    is_file: bool = False
    values: dict[str, object] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: object, label: str) -> None:
        self.values[name] = value
        self.labels[name] = label


@dataclass(slots=True, kw_only=True)
class _Findings:
    """What is wrong, each with the way to its entry in the file."""

    errors: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, text: str, *keys: str) -> None:
        self.errors.append((text, keys))


def load_settings(
    *,
    environ: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    folder: Path = _HERE,
    file: Path | None = None,
    text: str | None = None,
) -> LoadedSettings:
    """Return the settings of the project in `folder`. SettingsError lists all findings.

    `file` stands for the folder's avtomat.toml. `flags` are values by name of setting; None means that a flag was not
    given. `text` is what counts as the content of `file`, which is not read then.
    """
    findings = _Findings()
    named = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    path = named or folder / FILE_NAME
    layers = (
        _from_flags(flags or {}),
        _from_environment(environ, findings),
        _from_file(path, text, required=named is not None, findings=findings),
    )
    values, sources = _choose(layers, findings)
    settings = _with_files_beside(_rebase_defaults(Settings(**values), sources, path.parent), sources, path.parent)
    for contradiction in _contradictions(settings, sources):
        findings.refuse(contradiction, "processes")
    if findings.errors:
        texts, keys = zip(*findings.errors, strict=True)
        raise SettingsError("\n".join(texts), hint="`avtomat config --help` lists all settings", keys=keys)
    return LoadedSettings(settings=settings, sources=sources, warnings=tuple(findings.warnings))


def _from_flags(flags: Mapping[str, object]) -> _Layer:
    layer = _Layer(base=_HERE)
    for name, value in flags.items():
        if value is not None:
            layer.put(name, value, flag_of(name))
    return layer


def _from_environment(environ: Mapping[str, str], findings: _Findings) -> _Layer:
    layer = _Layer(base=_HERE)
    secrets: dict[str, object] = {}
    for variable in sorted(name for name in environ if name.startswith(_PREFIX) and environ[name]):
        name = variable.removeprefix(_PREFIX).lower()
        if name in KIND_OF:
            layer.put(name, environ[variable], variable)
        elif variable.startswith(_SECRET_PREFIX):
            secrets |= _secret_of_variable(variable, environ)
        elif name.endswith("_file") and _may_be_in_a_file(name.removesuffix("_file")):
            _put_from_file(layer, variable, environ, findings)
        elif variable not in _OTHER_VARIABLES:
            findings.warnings.append(_unknown(variable, (*map(variable_of, KIND_OF), *_OTHER_VARIABLES)))
    if secrets:
        layer.put("secrets", secrets, f"{_SECRET_PREFIX}…")
    return layer


def _may_be_in_a_file(name: str) -> bool:
    return name in KIND_OF and KIND_OF[name].hidden and name != "secrets"


def _put_from_file(layer: _Layer, variable: str, environ: Mapping[str, str], findings: _Findings) -> None:
    plain = variable.removesuffix("_FILE")
    name = plain.removeprefix(_PREFIX).lower()
    if environ.get(plain):
        findings.refuse(f"{variable}: {plain} is set too; keep one of them")
        return
    try:
        layer.put(name, read_secret_file(Path(environ[variable])), variable)
    except SecretError as error:
        findings.refuse(f"{variable}: {error}")


def _secret_of_variable(variable: str, environ: Mapping[str, str]) -> dict[str, object]:
    name = variable.removeprefix(_SECRET_PREFIX)
    if name.endswith("_FILE"):
        return {name.removesuffix("_FILE").lower(): {"file": environ[variable]}}
    return {name.lower(): {"env": variable}}


def _from_file(path: Path, text: str | None, *, required: bool, findings: _Findings) -> _Layer:
    layer = _Layer(base=path.parent, is_file=True)
    for name, value in _read_toml(path, text, required=required, findings=findings).items():
        if name in KIND_OF:
            layer.put(name, value, str(path))
        else:
            findings.refuse(f"{path}: {_unknown(name, KIND_OF)}", name)
    return layer


def _read_toml(path: Path, text: str | None, *, required: bool, findings: _Findings) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8") if text is None else text)
    except FileNotFoundError:
        if required:
            findings.refuse(f"{path}: there is no such file")
    except OSError as error:
        findings.refuse(f"{path}: {error.strerror}")
    except ValueError as error:  # not TOML, or not UTF-8
        findings.refuse(f"{path}: {error}")
    return {}


def _unknown(name: str, known: Iterable[str]) -> str:
    meant = did_you_mean(name, known)
    return f"{name} is not a setting" + (f"; did you mean {meant}?" if meant else "")


def _choose(layers: Iterable[_Layer], findings: _Findings) -> tuple[dict[str, Any], dict[str, str]]:
    """The value of each setting from the first layer that has it; the tables of secrets are joined name by name."""
    values: dict[str, Any] = {}
    sources = dict.fromkeys(KIND_OF, DEFAULT)
    for name in KIND_OF:
        holders = [layer for layer in layers if name in layer.values]
        counted = holders if name == "secrets" else holders[:1]
        parsed = [value for layer in counted if (value := _parsed(name, layer, findings)) is not None]
        if parsed:
            values[name] = dict(ChainMap(*parsed)) if name == "secrets" else parsed[0]
            sources[name] = ", ".join(layer.labels[name] for layer in counted)
    return values, sources


def _parsed(name: str, layer: _Layer, findings: _Findings) -> Any:
    """The value that the layer gives to the setting, or None after a finding."""
    try:
        return _rebase(name, KIND_OF[name].parse(layer.values[name]), layer.base)
    except UnfitValueError as error:
        place = f"{layer.labels[name]}: {name}" if layer.is_file else layer.labels[name]
        findings.refuse(f"{place}: {error}", name, *error.keys)
        return None


def _rebase(name: str, value: Any, base: Path) -> Any:
    """The value with its relative paths started at `base`."""
    match name:
        case "blueprints" | "clients" | "workers" | "calls_ca" if value is not None:
            return base / value
        case "store" if value.startswith(SQLITE):
            return SQLITE + str(base / value.removeprefix(SQLITE))
        case "secrets":
            return {secret: _rebase_secret(source, base) for secret, source in value.items()}
        case _:
            return value


def _rebase_secret(source: SecretSource, base: Path) -> SecretSource:
    return replace(source, path=base / source.path) if isinstance(source, FileSecret) else source


def _rebase_defaults(settings: Settings, sources: Mapping[str, str], base: Path) -> Settings:
    names = [name for name in ("store", "blueprints") if sources[name] == DEFAULT]
    return replace(settings, **{name: _rebase(name, getattr(settings, name), base) for name in names})


def _with_files_beside(settings: Settings, sources: Mapping[str, str], base: Path) -> Settings:
    """The settings with the files of clients and workers that lie in `base`, where none is named."""

    def beside(name: str, named: Path | None) -> Path | None:
        file = base / f"{name}.toml"
        return file if sources[name] == DEFAULT and file.is_file() else named

    return replace(settings, clients=beside("clients", settings.clients), workers=beside("workers", settings.workers))


def _contradictions(settings: Settings, sources: Mapping[str, str]) -> Iterable[str]:
    if settings.processes > 1 and settings.embedded:
        yield (
            f"{sources['processes']}: {settings.processes} processes cannot share "
            f"{KIND_OF['store'].show(settings.store)}; use a store in Redis, or one process"
        )
