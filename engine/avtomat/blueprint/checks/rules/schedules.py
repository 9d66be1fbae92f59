"""Rules about schedules: names, cron lines, time zones, what becomes of runs that meet, and their input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.checks.shape import node_at, span_of_key
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.limits import EvaluationError
from avtomat.blueprint.language.zones import local_time, near_zone
from avtomat.blueprint.schedules.cron import CronFault, parse_cron
from avtomat.blueprint.schedules.timetable import Timetable
from avtomat.blueprint.schemas.checked import SchemaCheck, check_schema
from avtomat.blueprint.schemas.cycles import endless_references
from avtomat.blueprint.schemas.defaults import wrong_defaults
from avtomat.blueprint.spec import items_of, part_of, text_of
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.defaults import DefaultsTooLargeError, defaults_of
from avtomat.core.duration import format_duration, parse_duration
from avtomat.core.formula import Json

SCHEDULES_MAX: Final = 100
GAPS_LOOKED_AT: Final = 200
"""So many runs are looked at for the shortest time between two."""

_SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OFFSET: Final = re.compile(r"(?:UTC|GMT|Z)?\s*[+-]?\d{1,2}(?::?\d{2})?|Z", re.IGNORECASE)


def schedules_can_be_told_apart(subject: Subject) -> Iterator[Finding]:
    """No two have one name, and there are not too many."""
    seen: set[str] = set()
    for number, entry in enumerate(_schedules(subject)):
        name = part_of(entry, "name")
        text = text_of(name)
        if number == SCHEDULES_MAX:
            message = f"a blueprint has at most {SCHEDULES_MAX} schedules"
            yield codes.BAD_SCHEDULES.at(entry.span, message, "put the others into another blueprint")
        if name is not None and text is not None:
            if text in seen:
                message = f"there are two schedules `{text}`"
                yield codes.BAD_SCHEDULES.at(name.span, message, "give this one another name")
            seen.add(text)


def times_come(subject: Subject) -> Iterator[Finding]:
    """Cron lines and time zones can be read."""
    for entry in _schedules(subject):
        line, zone = part_of(entry, "cron"), part_of(entry, "timezone")
        if isinstance(line, Scalar) and isinstance(line.value, str) and "{{" not in line.text:
            try:
                parse_cron(line.text)
            except CronFault as fault:
                span = line.place(fault.at, subject.source, fault.length) if fault.length else line.span
                yield codes.BAD_CRON.at(span, fault.message, fault.hint)
        text = text_of(zone)
        if zone is not None and text is not None and "{{" not in text and not _is_zone(text):
            message = f"{text or 'an empty text'} is no time zone"
            yield codes.BAD_TIME_ZONE.at(zone.span, message, _zone_hint(text))


def runs_do_not_contradict(subject: Subject) -> Iterator[Finding]:
    """No jitter is longer than the time between two runs, and missed runs do not push each other aside."""
    for entry in _schedules(subject):
        node = part_of(entry, "jitter")
        jitter = parse_duration(text_of(node) or "")
        shortest = None if jitter is None else _shortest_gap(entry)
        if node is not None and jitter is not None and shortest is not None and jitter > shortest:
            message = f"`jitter` {text_of(node)} is longer than the {format_duration(shortest)} between two runs"
            yield codes.LONG_JITTER.at(node.span, message, f"write jitter: {format_duration(shortest)} at most")
        catch_up, overlap = text_of(part_of(entry, "catch_up")), text_of(part_of(entry, "overlap")) or "skip"
        if catch_up == "all" and overlap in {"skip", "replace"}:
            which = "first" if overlap == "skip" else "last"
            message = f"with `overlap: {overlap}` only the {which} of several missed runs is made up for"
            hint = "write overlap: queue for all of them one after the other, or catch_up: last"
            yield codes.MADE_UP_IN_VAIN.at(span_of_key(entry, "catch_up"), message, hint)


def inputs_fit(subject: Subject) -> Iterator[Finding]:
    """What a schedule gives its jobs is an input that the blueprint takes."""
    schema = subject.blueprint.part("input")
    if not isinstance(schema, Mapping) or check_schema(schema) or endless_references(schema) or wrong_defaults(schema):
        return
    check, defaults = SchemaCheck(schema.value), defaults_of(schema.value)
    for entry in _schedules(subject):
        node = part_of(entry, "input")
        given: Json = {} if node is None else node.value
        try:
            filled = given if defaults is None else defaults.fill(given)
        except DefaultsTooLargeError as large:
            yield codes.INPUT_OF_SCHEDULE.at(span_of_key(entry, "input"), str(large), "give smaller values")
            continue
        for problem in check.problems(filled):
            span = span_of_key(entry, "name") if node is None else _place(node, problem.pointer) or node.span
            where = f"`input`{problem.pointer}" if node is not None else "an empty `input`"
            hint = "add it: input: {…}" if node is None else "give what the blueprint's own `input` asks for"
            yield codes.INPUT_OF_SCHEDULE.at(span, f"{where}: {problem.message}", hint)


def _schedules(subject: Subject) -> Iterator[Mapping]:
    for entry in items_of(subject.blueprint.part("schedule")):
        if isinstance(entry, Mapping):
            yield entry


def _is_zone(text: str) -> bool:
    try:
        local_time(_SOME_TIME, text)
    except EvaluationError:
        return False
    return True


def _zone_hint(text: str) -> str:
    if near := near_zone(text):
        return f"write {near}"
    if _OFFSET.fullmatch(text.strip()):
        return "an offset is no zone: write a place that has its time, such as Europe/Berlin"
    return "write one like Europe/Berlin"


def _shortest_gap(entry: Node) -> timedelta | None:
    line, zone = text_of(part_of(entry, "cron")), text_of(part_of(entry, "timezone")) or "UTC"
    try:
        table = Timetable(parse_cron(line or ""), zone)
    except CronFault:
        return None
    if not _is_zone(zone):
        return None
    runs = islice(table.all_after(_SOME_TIME), GAPS_LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(runs)), default=None)


def _place(node: Node, pointer: str) -> Span | None:
    """Where the value at a JSON pointer is written; None where nothing is."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    try:
        for step in steps:
            node = node_at(node, (int(step) if isinstance(node, Sequence) else step,))
    except (KeyError, IndexError, ValueError):
        return None
    return node.span
