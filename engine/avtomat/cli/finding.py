"""What `avtomat doctor` found: good, worth a look, or to be fixed."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the answer; `level` is ok, warning or error."""

    level: str
    text: str
    hint: str | None = None


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("ok", text)


def warning(text: str, *, hint: str | None = None) -> Finding:
    """It works, but somebody should know."""
    return Finding("warning", text, hint)


def error(text: str, *, hint: str | None = None) -> Finding:
    """It does not work, or breaks a promise."""
    return Finding("error", text, hint)
