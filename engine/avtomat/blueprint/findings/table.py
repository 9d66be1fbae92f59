"""The table of all codes, from which docs/diagnostics.md is written."""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.blueprint.findings import codes_access, codes_rules, codes_schema, codes_source, codes_tests
from avtomat.blueprint.findings.finding import Code

_IN_TOML = "7"
_GROUPS = {
    "0": ("The file", "These come before anything in the file is understood: what YAML makes of it."),
    "1": ("The shape", "Which keys there are, and what kind of values."),
    "2": ("Machines", "Where transitions lead, and whether they reach an end."),
    "3": ("Names and formulas", "What stands in `when` and `{{ … }}`."),
    "4": ("Values", "Durations, policies, schemas, names."),
    "5": ("Several files", "What a set of blueprints has to agree on."),
    "6": ("Tests of blueprints", "What `avtomat test` finds in the files of tests, and in the cases that it runs."),
    "7": ("Clients and workers", "What is found in `clients.toml` and `workers.toml`, which say who may do what."),
    "9": ("Not yet", "What the language has and this version of the engine does not."),
}


def all_codes() -> list[Code]:
    """Every code, by its number."""
    modules = (codes_source, codes_schema, codes_rules, codes_tests, codes_access)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Code)]
    return sorted(found, key=lambda code: code.number)


def diagnostics_page(examples: Mapping[str, tuple[str, str]]) -> str:
    """Write docs/diagnostics.md. `examples` has a faulty text and what the checker says about it, by code."""
    parts = [
        "# What the checker finds\n",
        "`avtomat validate` tells each finding with its file, line and column, and a code. Errors refuse the file; "
        "warnings\nand notes do not. This page is written from the checker's own table, its examples by the checker.\n",
    ]
    group = ""
    for code in all_codes():
        if code.stage != group:
            group = code.stage
            title, about = _GROUPS[group]
            parts.append(f"## {title}\n\n{about}\n")
        parts.append(f'### <a id="{code.anchor}"></a>{code.number}: {code.title} ({code.severity})\n\n{code.about}\n')
        if code.number in examples:
            text, told = examples[code.number]
            language = "toml" if code.stage == _IN_TOML else "yaml"
            parts.append(f"```{language}\n{text.rstrip()}\n```\n\n```text\n{told.rstrip()}\n```\n")
    return "\n".join(parts)
