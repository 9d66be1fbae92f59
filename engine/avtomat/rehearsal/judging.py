"""Judge a case that was played: hold what came of the job against `expect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import entries_of, part_of, text_of, value_of
from avtomat.blueprint.yaml.nodes import Node, Span
from avtomat.blueprint.yaml.nodes import Sequence as SequenceNode
from avtomat.core.duration import format_duration, parse_duration
from avtomat.core.formula import Json
from avtomat.core.model import ENDED, Status
from avtomat.core.program import FINALLY
from avtomat.core.scope import ROOT
from avtomat.core.timestamp import format_time, parse_time
from avtomat.core.value import value
from avtomat.rehearsal.cases import Case
from avtomat.rehearsal.comparing import Difference, differences, order_differs, same, shown
from avtomat.rehearsal.conditions import Condition
from avtomat.rehearsal.reading import conditions_of
from avtomat.rehearsal.script import Task
from avtomat.rehearsal.stage import Played
from avtomat.runtime.jobs.jobview import scope_of_row
from avtomat.runtime.schedules.making import LABEL_OF_TIME
from avtomat.storage.port.answers import JobRow
from avtomat.storage.port.codec import loads

REFUSED = "refused"
DIFFERENCES_SHOWN_MAX = 20


@value
class Outcome:
    """What came of a case, in the words of `expect`."""

    status: str
    data: Mapping[str, Json]
    path: Sequence[str] = ()
    result: Json = None
    error: Mapping[str, Json] | None = None
    tasks: Sequence[Task] = ()
    compensated: Sequence[str] = ()
    final: Sequence[str] = ()
    elapsed: timedelta = timedelta()
    scheduled_for: str | None = None


def outcome_of(played: Played) -> Outcome:
    """What came of it; of a case that was stopped, how far it came."""
    row = played.row
    if played.refused is not None or row is None:
        return Outcome(status=REFUSED, error=None if played.refused is None else _refusal(played), data={})
    return Outcome(
        status=Status(row.status).value,
        path=[name for entry in played.entries if entry["scope"] == ROOT for name in entry.get("trail") or ()],
        result=None if row.result is None else loads(row.result),
        error=_error(row),
        data=scope_of_row(row).data,
        tasks=played.tasks,
        compensated=played.compensated,
        final=_final(played),
        scheduled_for=loads(row.head).get("labels", {}).get(LABEL_OF_TIME),
        elapsed=timedelta(milliseconds=(row.finished_ms or row.updated_ms) - row.created_ms),
    )


def _final(played: Played) -> list[str]:
    """The states of `finally` that were entered."""
    scopes = {entry["scope"] for entry in played.entries if (entry.get("set") or {}).get("machine") == FINALLY}
    return [name for entry in played.entries if entry["scope"] in scopes for name in entry.get("trail") or ()]


def judge(case: Case, played: Played, outcome: Outcome, source: str) -> list[Finding]:
    """All that is not as expected, in the order of the file; a case that was stopped has its one reason."""
    if played.stopped is not None:
        return [*_unused(case, played), played.stopped.finding]
    expected = text_of(part_of(case.expect, "status"))
    if played.refused is not None and expected != REFUSED:
        message = f"the input would be refused: {played.refused.message}"
        return [codes.INPUT_REFUSED.at(case.input_span, message, "a case that shows this expects status: refused")]
    others = [codes.NOT_AS_EXPECTED.at(*each) for each in [*_differences(case, outcome)][:DIFFERENCES_SHOWN_MAX]]
    found = [*others, *_conditions(case, outcome, source), *_unused(case, played)]
    others = sorted(found, key=lambda finding: finding.span)
    ended = [*_status(case, outcome)]
    return [_ended_otherwise(*ended[0], others)] if ended else others


def _ended_otherwise(span: Span, message: str, others: Sequence[Finding]) -> Finding:
    """The job did not end as expected: what else differs follows from that, and is named only."""
    names = dict.fromkeys(finding.message.partition(":")[0].split(" ")[0] for finding in others)
    hint = f"other expectations may not hold because of that: {', '.join(names)}" if names else None
    return codes.NOT_AS_EXPECTED.at(span, message, hint)


def _refusal(played: Played) -> dict[str, Json]:
    assert played.refused is not None
    return {"code": played.refused.code, "message": played.refused.message, "details": [*played.refused.errors]}


def _error(row: JobRow) -> Json:
    """Why the job ended as it did, or is parked."""
    kept = row.error if row.status in ENDED else row.reason
    return None if kept is None else loads(kept)


def _unused(case: Case, played: Played) -> Iterator[Finding]:
    yield from _unused_signals(case, played)
    for unused in played.unused_decisions:
        yield codes.DECISION_UNUSED.at(unused.span, unused.text)


def _unused_signals(case: Case, played: Played) -> Iterator[Finding]:
    for number, why in sorted(played.unused_signals.items()):
        sent = case.signals[number]
        yield codes.SIGNAL_UNUSED.at(sent.span, f"the signal `{sent.name}` was not used: {why}")


# --- what is compared -------------------------------------------------------------------------------------------------


def _status(case: Case, outcome: Outcome) -> Iterator[Difference]:
    """A case that says nothing of how the job ends expects it to finish."""
    node = part_of(case.expect, "status")
    if node is None and part_of(case.expect, "error") is not None:
        return
    wanted = "finished" if node is None else node.value
    if outcome.status != wanted:
        yield (case.name if node is None else node).span, f"status: expected {wanted}, got {_told(outcome)}"


def _told(outcome: Outcome) -> str:
    error = outcome.error
    if error is None:
        return outcome.status
    place = f" in {error['state']}" if error.get("state") else ""
    return f"{outcome.status} ({error['code']}{place}{': ' if error['message'] else ''}{error['message']})"


def _differences(case: Case, outcome: Outcome) -> Iterator[Difference]:
    for key, node in entries_of(case.expect):
        match key:
            case "scheduled_for":
                yield from _times(node, outcome.scheduled_for)
            case "path":
                yield from order_differs(node, outcome.path, key, " -> ")
            case "compensated":
                yield from order_differs(node, outcome.compensated, key, ", ")
            case "finally":
                yield from order_differs(node, outcome.final, key, " -> ")
            case "result" | "data":
                yield from differences(node, outcome.result if key == "result" else outcome.data, key)
            case "error":
                yield from _errors(node, outcome)
            case "tasks":
                yield from _counts(node, outcome)
            case "calls":
                yield from _calls(node, outcome)
            case "params":
                yield from _params(node, outcome)
            case "elapsed":
                yield from _elapsed(node, outcome.elapsed)


def _times(node: Node, got: str | None) -> Iterator[Difference]:
    wanted = parse_time(text_of(node) or "")
    if wanted is not None and got != format_time(wanted):
        yield node.span, f"scheduled_for: expected {format_time(wanted)}, got {got or 'no job of a schedule'}"


def _errors(node: Node, outcome: Outcome) -> Iterator[Difference]:
    """An error's code alone, or what is written of it."""
    if outcome.error is None:
        yield node.span, f"error: expected {shown(node.value)}, but the job is {outcome.status} without an error"
    elif isinstance(node.value, dict):
        yield from differences(node, outcome.error, "error", partly=True)
    elif node.value != outcome.error["code"]:
        yield node.span, f"error: expected {node.value}, got {_told(outcome)}"


def _counts(node: Node, outcome: Outcome) -> Iterator[Difference]:
    for key, number in entries_of(node):
        count = len(_params_of(key, outcome.tasks))
        if count != number.value:
            yield number.span, f"tasks.{key}: expected {number.value}, got {count}"


def _params(node: Node, outcome: Outcome) -> Iterator[Difference]:
    """A list has the params of each attempt; anything else is for all of them."""
    for key, params in entries_of(node):
        got, name = _params_of(key, outcome.tasks), f"params.{key}"
        if isinstance(params, SequenceNode):
            yield from differences(params, got, name)
        elif not got:
            yield params.span, f"{name}: expected {shown(params.value)}, but no such task was offered"
        else:
            other = next((one for one in got if not same(params.value, one)), params.value)
            yield from differences(params, other, name)


def _calls(node: Node, outcome: Outcome) -> Iterator[Difference]:
    """A number says how often the request was made; a map has parts of each, a list parts of one after another."""
    for key, expected in entries_of(node):
        got, name = _params_of(key, outcome.tasks), f"calls.{key}"
        if isinstance(expected, SequenceNode):
            if len(expected.items) != len(got):
                yield expected.span, f"{name}: expected {len(expected.items)} requests, got {len(got)}"
            for at, (part, request) in enumerate(zip(expected.items, got, strict=False)):
                yield from differences(part, request, f"{name}[{at}]", partly=True)
        elif not isinstance(expected.value, dict):
            if len(got) != expected.value:
                yield expected.span, f"{name}: expected {expected.value}, got {len(got)}"
        elif not got:
            yield expected.span, f"{name}: expected {shown(expected.value)}, but no such request was made"
        else:
            found = ([*differences(expected, request, name, partly=True)] for request in got)
            yield from next((each for each in found if each), [])


def _params_of(key: str, tasks: Sequence[Task]) -> list[Json]:
    return [task.params for task in tasks if key in task.keys]


def _elapsed(node: Node, elapsed: timedelta) -> Iterator[Difference]:
    exact, least, most = (_span(each) for each in (node, part_of(node, "at_least"), part_of(node, "at_most")))
    got = f"got {format_duration(elapsed)}"
    if exact is not None and exact != elapsed:
        yield node.span, f"elapsed: expected {value_of(node)}, {got}"
    if least is not None and elapsed < least:
        yield node.span, f"elapsed: expected at least {format_duration(least)}, {got}"
    if most is not None and elapsed > most:
        yield node.span, f"elapsed: expected at most {format_duration(most)}, {got}"


def _span(node: Node | None) -> timedelta | None:
    text = text_of(node)
    return None if text is None else parse_duration(text)


# --- conditions -------------------------------------------------------------------------------------------------------


def _conditions(case: Case, outcome: Outcome, source: str) -> Iterator[Finding]:
    names: dict[str, Json] = {
        "result": outcome.result,
        "error": outcome.error,
        "data": dict(outcome.data),
        "input": case.input,
        "status": outcome.status,
        "path": [*outcome.path],
    }
    for condition in conditions_of(case.expect, source):
        assert isinstance(condition, Condition)
        held = condition.holds(names, case.now + outcome.elapsed)
        if isinstance(held, Finding):
            yield held
        elif not held:
            text = f"holds: `{condition.expression.source.strip()}` is false, with {_values(condition, names)}"
            yield codes.NOT_AS_EXPECTED.at(condition.span, text)


def _values(condition: Condition, names: Mapping[str, Json]) -> str:
    """What the condition looked at."""
    paths = sorted(condition.expression.reads)
    return ", ".join(f"{'.'.join(path)} = {shown(_at(names, path))}" for path in paths) or "no value that it reads"


def _at(names: Json, path: tuple[str, ...]) -> Json:
    for key in path:
        names = names.get(key) if isinstance(names, dict) else None
    return names
