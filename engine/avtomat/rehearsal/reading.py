"""Read a file of tests: its text becomes cases, and findings for all that is wrong with it by itself.

Whether it fits the blueprint is for `naming` to say. The YAML is that of blueprints, and so are durations, times and
expressions. Nothing raises for what an author can do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Mapping as MappingABC
from dataclasses import replace
from datetime import datetime, timedelta

from avtomat.blueprint.checks.shape import check_shape, span_of_key
from avtomat.blueprint.compiler import checker_failed
from avtomat.blueprint.findings import codes_rules, codes_tests
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import entries_of, flag, items_of, name_of, part_of, text_of, value_of
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.blueprint.yaml.source import read_source
from avtomat.core.duration import duration_hint, parse_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time, time_hint
from avtomat.core.value import value
from avtomat.diagnostics import Severity
from avtomat.rehearsal.cases import NOW, Answer, Answers, Case, CaseFile, Decided, Decisions, SentRequest, SentSignal
from avtomat.rehearsal.conditions import NAMES_AT_THE_END, NAMES_OF_ANSWERS, Condition, read_condition

LATER = ("children", "callbacks")
"""Parts of the language's tests that belong to states which this version cannot run; see blueprint.rules.later."""


@value
class ReadTests:
    """A file that was read: its tests when they can be run, and what was found."""

    root: Node | None
    tests: CaseFile | None
    findings: tuple[Finding, ...]
    source: str


def read_tests(content: bytes) -> ReadTests:
    """Read one file of tests. Should the reader itself fail, then that is a finding of this file."""
    try:
        return _read_tests(content)
    except Exception as problem:  # whatever it is, it concerns this file alone
        return ReadTests(root=None, tests=None, findings=(checker_failed(problem),), source="")


def _read_tests(content: bytes) -> ReadTests:
    source = read_source(content)
    if source.root is None:
        return ReadTests(root=None, tests=None, findings=source.findings, source=source.text)
    checked = check_shape(source.root, "test")
    findings = [*source.findings, *checked.findings, *_not_yet(checked.root)]
    if any(finding.code.severity is Severity.ERROR for finding in findings):
        return ReadTests(root=checked.root, tests=None, findings=tuple(findings), source=source.text)
    reader = _Reader(source.text)
    tests = reader.tests(checked.root)
    findings += [*reader.findings, *_duplicates(tests)]
    return ReadTests(root=checked.root, tests=tests, findings=tuple(findings), source=source.text)


def conditions_of(expect: Node | None, source: str) -> list[Condition | list[Finding]]:
    """What `holds` says, each read."""
    node = part_of(expect, "holds")
    nodes = node.items if isinstance(node, Sequence) else () if node is None else (node,)
    return [read_condition(each, NAMES_AT_THE_END, source) for each in nodes if isinstance(each, Scalar)]


def _not_yet(root: Node) -> Iterator[Finding]:
    cases = items_of(part_of(root, "cases"))
    for owner in (part_of(root, "defaults"), *cases):
        yield from _later_keys(owner, LATER)


def _later_keys(owner: Node | None, keys: Collection[str]) -> Iterator[Finding]:
    for key in keys:
        if owner is not None and part_of(owner, key) is not None:
            hint = "the states that it is about cannot be run yet; leave it out for now"
            yield codes_rules.NOT_YET.at(span_of_key(owner, key), f"`{key}` cannot be used yet", hint)


def _duplicates(tests: CaseFile) -> Iterator[Finding]:
    first: dict[str, Span] = {}
    for case in tests.cases:
        other = first.setdefault(case.name.text, case.name.span)
        if other != case.name.span:
            message = f"there is another case `{case.name.text}` in line {other.line}"
            yield codes_tests.DUPLICATE_CASE.at(case.name.span, message, "give one of them another name")


class _Reader:
    """Reads the parts of one file whose shape is right, and collects what is wrong with their values."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.findings: list[Finding] = []

    def tests(self, root: Node) -> CaseFile:
        blueprint = name_of(part_of(root, "test"))
        assert blueprint is not None
        defaults, now = part_of(root, "defaults"), self._time(part_of(root, "now"), NOW)
        usual = self._layer(defaults)
        cases = (self._case(node, defaults, usual, now) for node in items_of(part_of(root, "cases")))
        return CaseFile(blueprint=blueprint, cases=tuple(cases))

    def _case(self, node: Node, defaults: Node | None, usual: MappingABC[str, Answers], now: datetime) -> Case:
        name, given, expect = name_of(part_of(node, "name")), part_of(node, "input"), part_of(node, "expect")
        assert name is not None
        self._check_expect(expect)
        schedule = name_of(part_of(node, "schedule"))
        for key in ("input", "hook") if schedule is not None else ():
            if part_of(node, key) is not None:
                message, hint = "the input of this job is that of its schedule", f"leave out `{key}`, or `schedule`"
                self.findings.append(codes_tests.INPUT_BESIDE_SCHEDULE.at(span_of_key(node, key), message, hint))
        return Case(
            name=name,
            now=self._time(part_of(node, "now"), now),
            schedule=schedule,
            input=_merged(part_of(defaults, "input"), given, otherwise={}),
            input_span=name.span if given is None else given.span,
            hook=self._hook(part_of(node, "hook")),
            config=_merged(part_of(defaults, "config"), part_of(node, "config"), otherwise={}),
            secrets=_merged(part_of(defaults, "secrets"), part_of(node, "secrets"), otherwise={}),
            layers=(self._layer(node), usual),
            signals=self._signals(part_of(defaults, "signals"), part_of(node, "signals")),
            approvals=(self._decisions(part_of(node, "approvals")), self._decisions(part_of(defaults, "approvals"))),
            expect=expect if isinstance(expect, Mapping) else None,
        )

    def _hook(self, node: Node | None) -> SentRequest | None:
        name = name_of(part_of(node, "name"))
        if name is None:
            return None
        headers = {key.lower(): str(value_of(text)) for key, text in entries_of(part_of(node, "headers"))}
        return SentRequest(name=name, body=value_of(part_of(node, "body")), headers=headers)

    # --- answers ------------------------------------------------------------------------------------------------------

    def _layer(self, owner: Node | None) -> dict[str, Answers]:
        """What workers and servers answer: no name of the one can be one of the other."""
        answers = {key: self._answers(each) for key, each in entries_of(part_of(owner, "tasks"))}
        return answers | {key: self._answers(each, of_server=True) for key, each in entries_of(part_of(owner, "calls"))}

    def _answers(self, node: Node, *, of_server: bool = False) -> Answers:
        is_list = isinstance(node, Sequence)
        each = tuple(self._answer(one, of_server=of_server) for one in (items_of(node) if is_list else (node,)))
        return Answers(span=node.span, each=each, is_list=is_list)

    def _answer(self, node: Node, *, of_server: bool) -> Answer:
        answer = Answer(span=node.span, when=self._when(part_of(node, "when")), body=_body(node))
        takes = self._span(part_of(node, "takes"))
        return replace(
            answer,
            server=value_of(node) if of_server else None,
            takes_ms=takes // timedelta(milliseconds=1),
            silent=flag(part_of(node, "silent")),
            untaken=flag(part_of(node, "untaken")),
        )

    def _when(self, node: Node | None) -> Condition | None:
        if not isinstance(node, Scalar):
            return None
        read = read_condition(node, NAMES_OF_ANSWERS, self.source)
        if isinstance(read, Condition):
            return read
        self.findings += read
        return None

    # --- signals ------------------------------------------------------------------------------------------------------

    def _signals(self, usual: Node | None, own: Node | None) -> tuple[SentSignal, ...]:
        """What is sent, in the order in which it comes; a name of the case itself replaces that of `defaults`."""
        by_name = {**dict(entries_of(usual)), **dict(entries_of(own))}
        sent = [
            self._signal(name, node)
            for name, nodes in by_name.items()
            for node in (items_of(nodes) if isinstance(nodes, Sequence) else (nodes,))
        ]
        return tuple(sorted(sent, key=lambda signal: signal.after_ms))

    def _signal(self, name: str, node: Node) -> SentSignal:
        key = value_of(part_of(node, "key"))
        return SentSignal(
            span=node.span,
            name=name,
            payload=value_of(part_of(node, "payload")),
            key="" if key is None else str(key),
            after_ms=self._span(part_of(node, "after")) // timedelta(milliseconds=1),
        )

    # --- approvals ----------------------------------------------------------------------------------------------------

    def _decisions(self, node: Node | None) -> dict[str, Decisions]:
        return {
            key: Decisions(
                span=each.span,
                each=tuple(map(self._decided, items_of(each) if isinstance(each, Sequence) else (each,))),
                is_list=isinstance(each, Sequence),
            )
            for key, each in entries_of(node)
        }

    def _decided(self, node: Node) -> Decided:
        return Decided(
            span=node.span,
            choice=text_of(part_of(node, "choice")) or "",
            by=text_of(part_of(node, "by")) or "",
            comment=text_of(part_of(node, "comment")) or "",
            form=value_of(part_of(node, "form")),
            after_ms=self._span(part_of(node, "after")) // timedelta(milliseconds=1),
            silent=flag(part_of(node, "silent")),
        )

    # --- values -------------------------------------------------------------------------------------------------------

    def _check_expect(self, expect: Node | None) -> None:
        self._time(part_of(expect, "scheduled_for"), NOW)
        elapsed = part_of(expect, "elapsed")
        for node in (elapsed, *(bound for _, bound in entries_of(elapsed))):
            self._span(node)
        for read in conditions_of(expect, self.source):
            self.findings += read if isinstance(read, list) else ()

    def _span(self, node: Node | None) -> timedelta:
        text = text_of(node)
        if node is None or text is None:
            return timedelta()
        span = parse_duration(text)
        if span is None:
            message = f"{text or 'an empty text'} is not a duration"
            self.findings.append(codes_rules.BAD_DURATION.at(node.span, message, duration_hint(text)))
        return span or timedelta()

    def _time(self, node: Node | None, otherwise: datetime) -> datetime:
        text = text_of(node)
        if node is None or text is None:
            return otherwise
        time = parse_time(text)
        if time is None:
            self.findings.append(codes_rules.BAD_TIME.at(node.span, f"{text} is not a time", time_hint(text)))
        return time or otherwise


def _body(node: Node) -> dict[str, Json]:
    """The answer as a worker sends it; an error's code may stand for the whole error."""
    error = value_of(part_of(node, "error"))
    if error is not None:
        return {"status": "failure", "error": {"code": error} if isinstance(error, str) else error}
    return {"status": value_of(part_of(node, "status")), "data": value_of(part_of(node, "output"))}


def _merged(usual: Node | None, own: Node | None, *, otherwise: Json) -> Json:
    """The case's own value, over the usual one; maps are merged by top-level name."""
    if isinstance(usual, Mapping) and isinstance(own, Mapping):
        return {**usual.value, **own.value}
    chosen = usual if own is None else own
    return otherwise if chosen is None else chosen.value
