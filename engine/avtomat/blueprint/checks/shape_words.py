"""The words in which findings about shapes are told: what stands there, and what the author may have had in mind."""

from __future__ import annotations

import re

from avtomat.blueprint.yaml.lookalikes import colon_hint
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence
from avtomat.core.duration import duration_hint
from avtomat.core.model import ENGINE_CODES, TASK_CODES

_SHOWN_MAX = 40
_BODIES = {
    "fail": "{{code: {}}}", "compensate": "{{task: {}}}", "do": "{{task: {}}}", "worker": "{{type: {}}}",
    "input": "{{type: {}}}", "result": "{{type: {}}}", "expects": "{{type: {}}}",
}  # fmt: skip
"""Keys whose value is a map, and what a single word there stands for."""
_WORD = re.compile(r"[\w.-]+")
_TRUE_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false", "True": "true", "False": "false"}
_FOREIGN_CODES = {
    "ALL": "ANY", "EXCEPTION": "ANY", "ERROR": "ANY", "TASK_FAILED": "ANY", "HEARTBEAT_TIMEOUT": "WORKER_LOST",
    "PERMISSIONS": "SECURITY_ERROR", "TIMEOUT_EXCEPTION": "TIMEOUT_ERROR", "TIMED_OUT": "TIMEOUT_ERROR",
}  # fmt: skip
"""Codes of other systems, by their words, and what is caught for them here."""
_CODES = {"ANY", *TASK_CODES, *ENGINE_CODES}
_DURATIONS = {
    "timeout", "delay", "max_delay", "attempt", "queue", "heartbeat", "total", "wait", "retention", "remind", "takes",
    "elapsed", "at_most", "jitter",
}  # fmt: skip


_CRON_HINT = "write when as a cron line: cron: '*/15 * * * *' for every 15 minutes, cron: '0 6 * * *' for each day at 6"
_IN_SCHEDULES = {
    **dict.fromkeys(("every", "interval", "interval_seconds", "daily_at", "weekly_days", "monthly_dates"), _CRON_HINT),
    **dict.fromkeys(
        ("enabled", "disabled", "paused", "suspend"),
        "a schedule is paused by `avtomat schedule pause`; what is not wanted any more is left out",
    ),
    **dict.fromkeys(
        ("start_date", "end_date", "until"), "a schedule has no beginning and no end: it is there while the file has it"
    ),
}
"""Words of other systems' schedules for which there is no key."""
WORDS_OF_OTHERS = {
    "overlap": {
        "forbid": "skip", "false": "skip", "no": "skip", "drop": "skip", "allow": "queue", "true": "queue",
        "wait": "queue", "buffer_one": "queue", "buffer_all": "queue", "cancel": "replace", "cancel_other": "replace",
        "terminate_other": "replace", "restart": "replace",
    },
    "catch_up": {
        "false": "none", "no": "none", "null": "none", "never": "none", "true": "last", "yes": "last", "once": "last",
        "latest": "last", "fire_once": "last", "always": "all", "every": "all",
    },
}  # fmt: skip
"""Values of other systems, by the key and the word, and what they are here."""


def describe(node: Node) -> str:
    """Say what stands there, as an author would call it."""
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing" if node.is_empty else "null"
    if isinstance(node.value, bool):
        return node.text
    if isinstance(node.value, int | float):
        return f"the number {node.text}"
    return f"the text {_short(node.text)}"


def kind_of(node: Node) -> str:
    """The value itself, if it is short."""
    return _short(node.text) if isinstance(node, Scalar) else describe(node)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN_MAX else f"{flat[: _SHOWN_MAX - 1]}…"


def enough(limit: float) -> str:
    """A bound without a needless fraction."""
    return f"{limit:g}" if limit < 10**6 else f"{limit:,.0f}"


def hint_on_type(path: tuple[str | int, ...], node: Node, expected: str) -> str | None:
    """What to write instead, where it can be told from what stands there."""
    if not path:
        return "a blueprint is a map that begins with `avtomat: 1`"
    key = path[-1]
    if isinstance(node, Scalar):
        if node.text in _TRUE_WORDS and "true or false" in expected:
            return f"{node.text} is a text; write {_TRUE_WORDS[node.text]}"
        if expected.startswith("an answer"):
            return f"write {{output: {node.text}}}"
        return _hint_on_scalar(path, key, node)
    if isinstance(node, Mapping) and key in {"transitions", "catch", "schedule"}:
        return f"write a list, each entry with a dash: {key}: [{{…}}]"
    if isinstance(node, Sequence) and key == "next":
        return "several ways on are `transitions`: [{when: …, to: a}, {to: b}]"
    if isinstance(node, Sequence) and key == "states":
        return "a state has its name as a key: states: {greet: {task: greet}}"
    if isinstance(node, Sequence) and key == "parallel":
        return "a branch has its name as a key: parallel: {mail: {task: mail.send}}"
    return None


def _hint_on_scalar(path: tuple[str | int, ...], key: str | int, node: Scalar) -> str | None:
    owner = next((step for step in reversed(path) if isinstance(step, str)), "")
    text = node.text
    if not node.style and (hint := _hint_on_colon(text)):
        return hint
    if key in _DURATIONS and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return duration_hint(text)
    if key == "retry" and isinstance(node.value, int):
        return f"write retry: {{attempts: {text}}}"
    if hint := _hint_on_meaning(path, key, node):
        return hint
    if key == "catch":
        return f"write catch: [{{errors: [ANY], to: {text}}}]"
    if owner == "catch":
        return f"write - {{to: {text}}}"
    if key == "transitions":
        return f"write next: {text}"
    if owner == "transitions":
        return f"write - {{to: {text}}}"
    if key in {"errors", "choices", "accept"}:
        return f"write a list: {key}: [{text}]"
    if node.style and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"in quotes it is a text; write {text} without them"
    if not node.style and isinstance(node.value, int | float | bool):
        return f'put it in quotes: "{text}"'
    return None


def _hint_on_colon(text: str) -> str | None:
    """How a plain text is written that was meant as a key and its value."""
    if glued := re.match(r"([A-Za-z_][\w-]*):([^\s/]\S*)", text):
        return f"there is no space after the colon: write {glued[1]}: {glued[2]}"
    return colon_hint(text)


def _hint_on_meaning(path: tuple[str | int, ...], key: str | int, node: Scalar) -> str | None:
    """What a single word or number stands for, where there should be more than one."""
    if key in _BODIES and isinstance(node.value, str) and _WORD.fullmatch(node.text):
        return f"write {key}: {_BODIES[str(key)].format(node.text)}"
    if key == "tolerate" and isinstance(node.value, float) and 0 < node.value < 1:
        return f"write tolerate: {node.value * 100:g}%"
    if key == "next" and node.value is None:
        return "write next: end, if the machine ends here"
    if path[:-1] == ("policies",) and isinstance(node.value, int):
        return f"write {key}: {{attempts: {node.text}}}"
    return None


def name_hint(name: str) -> str | None:
    """A name like this one that can be used."""
    better = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:64]
    better = f"s{better}" if better[:1].isdigit() else better
    return f"write {better}" if better else None


_LITERAL = "names are literal: a template cannot stand here"


def better_name(path: tuple[str | int, ...], node: Node) -> str | None:
    """What to write for a value that should be a name: of a blueprint in lower case, of an error in capitals."""
    if not {"errors", "error"}.isdisjoint(path):
        return error_code_hint(str(node.value))
    if "{{" in str(node.value):
        return "names are literal: what tells one signal from another is its key" if path[-1] == "signal" else _LITERAL
    hint = name_hint(str(node.value))
    if "secret" in path or path[-1] == "client":
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", str(node.value)).strip("_").lower()
        return f"write {words}" if re.match(r"[a-z]", words) else hint
    return hint.lower() if hint is not None and path[0] in {"blueprint", "schedule"} else hint


def error_code_hint(word: str) -> str | None:
    """The code that was probably meant: one of the engine's, or the form that a worker's own is brought into."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", word.removeprefix("States.")).strip("_").upper()
    known = _FOREIGN_CODES.get(parts) or next(iter({parts, f"{parts}_ERROR"} & _CODES), None)
    hint = name_hint(word)
    return f"write {known}" if known else hint and f"write {hint.removeprefix('write ').upper()}"


def hint_on_unknown(word: str, node: Node, allowed: list[str]) -> str | None:
    """A hint for words that no key replaces."""
    if "cron" in allowed and word in _IN_SCHEDULES:
        return _IN_SCHEDULES[word]
    if word == "type" and "transitions" in allowed:
        value = node.items[word] if isinstance(node, Mapping) else None
        kind = value.text if isinstance(value, Scalar) else "task"
        return f"the kind of a state is its key: write {kind}: …"
    if word in {"else", "default", "otherwise"}:
        return "the last transition without `when` is what is done otherwise: - {to: name}"
    if word in {"depends_on", "needs", "after"} and "transitions" in allowed:
        return "a state says what follows it: next: name"
    if "states" in allowed and "blueprint" in allowed and isinstance(node, Mapping):
        states = node.items.get("states")
        if isinstance(states, Scalar) and states.is_empty:
            return "`states` above is empty; if this is one of the states, indent it"
    return None
