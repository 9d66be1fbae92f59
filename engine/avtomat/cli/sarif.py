"""Print findings as SARIF 2.1.0, which code hosts and editors show beside the lines (OASIS Standard, 27 March 2020)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.frames import page_of
from avtomat.diagnostics import Diagnostic, Severity

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def as_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """One log with one run; columns count characters (Unicode code points)."""
    codes = sorted({each.code for each in diagnostics})
    driver = {"name": "avtomat", "version": version("avtomat"), "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code)) for each in diagnostics],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, ensure_ascii=False)


def _rule(code: str) -> dict[str, Any]:
    return {"id": code, "help": {"text": f"avtomat explain {code}; {page_of(code)}"}}


def _result(found: Diagnostic, rule: int) -> dict[str, Any]:
    hint = f"\nhint: {found.hint}" if found.hint else ""
    end = found.end_column or found.column + 1
    region = {"startLine": found.line, "startColumn": found.column, "endLine": found.line, "endColumn": end}
    file = Path(found.file)
    uri = file.as_uri() if file.is_absolute() else quote(file.as_posix(), errors="surrogateescape")
    place = {"artifactLocation": {"uri": uri}, "region": region}
    return {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": _LEVELS[found.severity],
        "message": {"text": found.message + hint},
        "locations": [{"physicalLocation": place}],
    }
