"""Find the files that are shipped with the package: the JSON Schemas, and the page about the checker's codes.

In a wheel they lie inside the package; in an editable install, in the repository that the package is imported from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from avtomat.errors import NotFoundError
from avtomat.suggest import did_you_mean

_PACKAGE: Final = Path(__file__).parent
_SUFFIX: Final = ".schema.json"


def schema_names() -> list[str]:
    """The names of all shipped schemas: `blueprint`, …"""
    return sorted(path.name.removesuffix(_SUFFIX) for path in _schemas().glob(f"*{_SUFFIX}"))


def schema_text(name: str) -> str:
    """The text of a schema by its name. NotFoundError: there is none."""
    names = schema_names()
    if name not in names:
        meant = did_you_mean(name, names)
        raise NotFoundError(
            f"there is no schema {name!r}; there are {', '.join(names)}",
            hint=f"did you mean {meant}?" if meant else None,
        )
    return (_schemas() / f"{name}{_SUFFIX}").read_text("utf-8")


def diagnostics_page() -> str:
    """docs/diagnostics.md."""
    shipped = _PACKAGE / "diagnostics.md"
    return (shipped if shipped.is_file() else _PACKAGE.parents[1] / "docs" / "diagnostics.md").read_text("utf-8")


def _schemas() -> Path:
    shipped = _PACKAGE / "schemas"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "schemas"
