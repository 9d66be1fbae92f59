"""Guess what an author meant by a word that the language does not know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from avtomat.suggest import WORD_CHARS_MAX, did_you_mean

_FOREIGN = {
    "if": ("when",), "condition": ("when",), "guard": ("when",), "unless": ("when",), "cond": ("when",),
    "then": ("to", "next", "do"), "goto": ("to", "next"), "go_to": ("to", "next"), "target": ("to",),
    "nextstate": ("next", "to"), "next_state": ("next", "to"), "next": ("to",), "to": ("next",), "steps": ("states",),
    "nodes": ("states",), "stages": ("states",), "tasks": ("states",), "state": ("states",), "start_at": ("start",),
    "startat": ("start",), "initial": ("start",), "begin": ("start",), "entry": ("start",), "on_error": ("catch",),
    "on_failure": ("catch",), "on_fail": ("catch",), "onerror": ("catch",), "rescue": ("catch",),
    "except": ("catch",), "catches": ("catch",), "error_handlers": ("catch",), "with": ("params", "input", "json"),
    "args": ("params", "input"), "arguments": ("params", "input"), "parameters": ("params", "input", "query"),
    "inputs": ("input", "params"), "payload": ("params", "input", "json"), "input": ("params",),
    "params": ("input", "query"), "body": ("json", "text", "do"), "data": ("json", "set"), "retries": ("retry",),
    "retry_policy": ("retry",), "retrypolicy": ("retry",), "max_attempts": ("attempts",),
    "maximum_attempts": ("attempts",), "max_retries": ("attempts",), "backoff": ("factor", "delay"),
    "backoff_rate": ("factor",), "multiplier": ("factor",), "interval": ("delay",), "initial_delay": ("delay",),
    "interval_seconds": ("delay",), "max_interval": ("max_delay",), "error": ("errors",), "error_equals": ("errors",),
    "errorequals": ("errors",), "codes": ("errors",), "name": ("blueprint", "title"), "workflow": ("blueprint",),
    "id": ("blueprint",), "action": ("task",), "activity": ("task",), "uses": ("task",), "job": ("task",),
    "handler": ("task",), "type": ("task",), "resource": ("task",), "function": ("task",), "http": ("call",),
    "request": ("call",), "branches": ("parallel",), "fork": ("parallel",), "for_each": ("foreach",),
    "map": ("foreach",), "loop": ("foreach",), "each": ("foreach",), "sleep": ("wait",), "delay": ("wait",),
    "pause": ("wait",), "timer": ("wait",), "event": ("signal",), "wait_for": ("signal", "wait"),
    "human": ("approval",), "ask": ("approval",), "approve": ("approval",), "subflow": ("run",), "child": ("run",),
    "sub_blueprint": ("run",), "call_blueprint": ("run",), "return": ("succeed",), "success": ("succeed",),
    "finish": ("succeed",), "done": ("succeed",), "end": ("succeed",), "raise": ("fail",), "throw": ("fail",),
    "error_code": ("code",), "reason": ("message",), "cause": ("message",), "variables": ("data",), "vars": ("data",),
    "context": ("data",), "env": ("data",), "assign": ("set",), "output": ("set", "result", "collect"),
    "outputs": ("result", "set"), "undo": ("compensate",), "rollback": ("compensate",),
    "compensation": ("compensate",), "deadline": ("timeout",), "time_limit": ("timeout",),
    "start_to_close": ("attempt",), "schedule_to_start": ("queue",), "schedule_to_close": ("total",),
    "edges": ("transitions",), "choices": ("transitions",), "switch": ("transitions",), "cases": ("transitions",),
    "choice": ("transitions",), "routes": ("transitions",), "comment": ("description",), "notes": ("description",),
    "label": ("title", "labels"), "tags": ("labels",), "max_concurrency": ("concurrency",),
    "parallelism": ("concurrency",), "items": ("foreach",), "iterator": ("do",), "cost": ("max_cost",),
    "schema": ("expects",), "output_schema": ("expects",), "constants": ("data",), "environment": ("data",),
    "timezone_name": ("timezone",), "tz": ("timezone",), "time_zone": ("timezone",), "zone": ("timezone",),
    "at": ("until", "cron"), "time": ("until", "cron"), "crontab": ("cron",), "expression": ("cron",),
    "schedule": ("cron",), "schedules": ("schedule",), "cron": ("schedule",), "triggers": ("schedule",),
    "concurrency_policy": ("overlap",), "backfill": ("catch_up",), "catchup": ("catch_up",),
    "misfire_policy": ("catch_up",), "splay": ("jitter",), "spread": ("jitter",), "random_delay": ("jitter",),
}  # fmt: skip


def meant(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` probably stands for: a slip of the pen, or a word of another system."""
    if len(word) > WORD_CHARS_MAX:
        return None
    names = list(known)
    plain = _plain(word)
    by_plain = {_plain(name): name for name in names}
    if plain in by_plain:
        return by_plain[plain]
    for candidate in (*_FOREIGN.get(word, ()), *_FOREIGN.get(plain, ())):
        if candidate in names:
            return candidate
    close = did_you_mean(plain, by_plain, 0.74)
    return by_plain[close] if close else None


def nearest_hint(word: str, known: Iterable[str]) -> str | None:
    """Return a hint for a name that is not there, or None when nothing comes near."""
    if len(word) > WORD_CHARS_MAX:
        return None
    names = [name for name in known if len(name) <= 2 * WORD_CHARS_MAX]
    lower = word.lower()
    near = next((name for name in reversed(names) if name.lower() == lower), None) or did_you_mean(word, names)
    return f"did you mean {near}?" if near else None


def listed(names: Iterable[str], shown_max: int = 12) -> str:
    """Return names as they are read out: `a, b and c`."""
    every = list(names)
    if len(every) > shown_max:
        return f"{', '.join(every[:shown_max])} and {len(every) - shown_max} more"
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


@lru_cache(maxsize=4_096)
def _plain(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().replace("-", "_").replace(" ", "_")
