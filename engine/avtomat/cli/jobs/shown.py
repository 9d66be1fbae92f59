"""Print what an engine says of its jobs: tables and fields for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avtomat.diagnostics import visible

Json = Any


def print_json(value: Json) -> int:
    """Print it, and return the exit code for having done so."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as what stands in them."""
    shown = [heads, *rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    for row in shown:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def print_job(job: Mapping[str, Json], tasks: Iterable[Mapping[str, Json]]) -> None:
    """Print a job's fields, one a line, those that say nothing left out."""
    plain = ("id", "status", "blueprint", "version", "state", "priority", "created_at", "updated_at", "finished_at")
    for name in plain:
        if job[name] is not None:
            print(f"{name:<12} {job[name]}")
    for name in ("labels", "input", "data", "outputs", "result", "error"):
        if job[name] not in (None, {}):
            print(f"{name:<12} {visible(json.dumps(job[name], ensure_ascii=False))}")
    if "parent_id" in job:
        print(f"{'parent':<12} {job['parent_id']}")
    children = job.get("children", {"jobs": (), "next_cursor": None})
    for child in children["jobs"]:
        print(f"{'child':<12} {child['id']} {child['blueprint']} {child['status']}")
    if children["next_cursor"] is not None:
        print(f"{'':<12} more: avtomat jobs list --parent {job['id']}")
    for task in tasks:
        worker = f" by {task['worker']}" if task["worker"] else ""
        print(f"{'task':<12} {task['kind']} attempt {task['attempt']} {task['phase']}{worker} since {task['since']}")
