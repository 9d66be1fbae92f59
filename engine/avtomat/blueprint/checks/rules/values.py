"""Rules about single values: durations, times, amounts, names of policies, of tasks and of errors."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from datetime import timedelta

from avtomat.blueprint.checks.rules.names import ALL_NAMES
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings import codes_schema, codes_source
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.spec import Name, entries_of, items_of, name_of, part_of, text_of
from avtomat.blueprint.yaml.nodes import Mapping, Node
from avtomat.core.duration import duration_hint, parse_duration
from avtomat.core.kinds.calls import RESERVED
from avtomat.core.model import UNCATCHABLE
from avtomat.core.timestamp import parse_time, time_hint

ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,127}", re.ASCII)
KIND_OF_TASK = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", re.ASCII)
_FALSE_WORDS = frozenset({"no", "No", "NO", "off", "Off", "OFF", "none", "None"})
_SHARE = re.compile(r"\d{1,3}(\.\d{1,9})?%", re.ASCII)
_TAKEN = frozenset({*ALL_NAMES, *keyword.kwlist, "true", "false", "null", "omit", "now"})


def durations_can_be_read(subject: Subject) -> Iterator[Finding]:
    """Every duration that is not a template is one."""
    for node in _durations(subject):
        text = text_of(node)
        if text is not None and "{{" not in text and parse_duration(text) is None:
            yield codes.BAD_DURATION.at(node.span, f"{text or 'an empty text'} is not a duration", duration_hint(text))


def _durations(subject: Subject) -> Iterator[Node]:
    for timeout in subject.timeouts:
        yield timeout
        yield from (value for _key, value in entries_of(timeout))
    nodes = [part_of(policy, key) for policy in subject.policies for key in ("delay", "max_delay")]
    nodes += [node for key in ("wait", "remind") for _state, node in subject.parts(key)]
    nodes.append(subject.blueprint.part("retention"))
    nodes += [part_of(each, "jitter") for each in items_of(subject.blueprint.part("schedule"))]
    hooks = [hook for _name, hook in entries_of(subject.blueprint.part("on"))]
    nodes += [part_of(part_of(hook, "verify"), "tolerance") for hook in hooks]
    yield from filter(None, nodes)


def time_limits_leave_time(subject: Subject) -> Iterator[Finding]:
    """No `timeout` of a job, a task or a block that is written out is nothing. A wait may look once and go on."""
    of_waits = {id(node) for state, node in subject.parts("timeout") if kind_of(state).waits}
    for timeout in subject.timeouts:
        limits = [("timeout", timeout), *entries_of(timeout)] if id(timeout) not in of_waits else ()
        for key, node in limits:
            text = text_of(node)
            if text is not None and parse_duration(text) == timedelta(0):
                message = f"`{key}` {text} leaves no time: what it bounds would always fail at once"
                yield codes.NO_TIME.at(node.span, message, f"write a longer one, such as {key}: 30s, or leave it out")


def times_can_be_read(subject: Subject) -> Iterator[Finding]:
    """A time that is written out is one."""
    for _state, wait in subject.parts("wait"):
        node = part_of(wait, "until")
        text = text_of(node)
        if node is not None and text is not None and "{{" not in text and parse_time(text) is None:
            yield codes.BAD_TIME.at(node.span, f"{text} is not a time", f"{time_hint(text)}, or a template")


def delays_fit_their_cap(subject: Subject) -> Iterator[Finding]:
    """No `max_delay` is shorter than the `delay` beside it."""
    for policy in subject.policies:
        node, cap_node = part_of(policy, "delay"), part_of(policy, "max_delay")
        delay, cap = (parse_duration(text_of(each) or "") for each in (node, cap_node))
        if cap_node is not None and delay is not None and cap is not None and cap < delay:
            message = f"`max_delay` {text_of(cap_node)} is shorter than `delay` {text_of(node)}"
            yield codes.DELAY_OVER_ITS_CAP.at(cap_node.span, message, "write a shorter delay, or leave max_delay out")


def policies_exist(subject: Subject) -> Iterator[Finding]:
    """`retry` names a policy that there is."""
    known = dict(entries_of(subject.blueprint.part("policies")))
    for name in _policy_names(subject):
        if name.text not in known and name.text != "none" and "{{" not in name.text:
            hint = nearest_hint(name.text, (*known, "none"))
            hint = hint or (
                f"known: {listed(known)}" if known else "add it: policies: {" + name.text + ": {attempts: 5}}"
            )
            yield codes.UNKNOWN_POLICY.at(name.span, f"there is no policy `{name.text}`", hint)
    for retry in subject.retries:
        for name in filter(None, map(name_of, items_of(retry))):
            if name.text == "none":
                hint = "write retry: none alone, or leave it out of the list"
                yield codes.UNKNOWN_POLICY.at(name.span, "`none` in a list of policies says nothing", hint)


def policies_are_used(subject: Subject) -> Iterator[Finding]:
    """Every policy is named by some `retry`."""
    used = {name.text for name in _policy_names(subject)}
    policies = subject.blueprint.part("policies")
    for name, _node in entries_of(policies):
        if name not in used and subject.is_whole and isinstance(policies, Mapping):
            span = policies.keys[name].span
            yield codes.UNUSED_POLICY.at(
                span, f"no state uses the policy `{name}`", f"write retry: {name}, or remove it"
            )


def _policy_names(subject: Subject) -> Iterator[Name]:
    for retry in subject.retries:
        yield from filter(None, map(name_of, (retry, *items_of(retry))))


def error_codes_are_well_formed(subject: Subject) -> Iterator[Finding]:
    """A code of `fail` that is written out is a code, and none that the engine alone gives."""
    for _state, fail in subject.parts("fail"):
        node = part_of(fail, "code")
        text = text_of(node)
        if node is None or text is None or "{{" in text:
            continue
        if text in UNCATCHABLE:
            message = f"{text} is a code of the engine's own, which nothing catches"
            yield codes.BAD_ERROR_CODE.at(node.span, message, "write a code of your own, such as OUT_OF_TIME")
        elif not ERROR_CODE.fullmatch(text):
            better = re.sub(r"\W+", "_", text).strip("_").upper()
            hint = f"write {better}" if ERROR_CODE.fullmatch(better) else "write it in capitals, such as OUT_OF_STOCK"
            yield codes.BAD_ERROR_CODE.at(node.span, f"{text} is not an error code", hint)


def kinds_of_task_are_well_formed(subject: Subject) -> Iterator[Finding]:
    """A kind of task is a name that workers can have."""
    nodes = [task for _state, task in subject.parts("task")]
    nodes += filter(None, (part_of(undo, "task") for _state, undo in subject.parts("compensate")))
    for node in nodes:
        text = text_of(node)
        if text is not None and "{{" not in text and not KIND_OF_TASK.fullmatch(text):
            better = re.sub(r"[^A-Za-z0-9_.-]+", ".", text).strip(".")
            hint = f"write {better}" if better else "write a name such as payments.charge"
            yield codes.BAD_KIND_OF_TASK.at(node.span, f"{text or 'an empty text'} is not a kind of task", hint)
        elif text is not None and text.startswith(RESERVED):
            hint = "write a `call` for a request, or give the kind another name"
            yield codes.BAD_KIND_OF_TASK.at(node.span, f"{text} is a kind of the engine's own", hint)


def amounts_can_be_read(subject: Subject) -> Iterator[Finding]:
    """`concurrency`, `tolerate` and `at_least` are amounts, when they are texts without a template."""
    for state in subject.states:
        if not state.inner:
            continue
        shares = [("tolerate", state.part("tolerate"), "a number such as 3, or a share such as 10%")]
        numbers = [("concurrency", state.part("concurrency"), "a number such as 10, or a template")]
        numbers += [("at_least", part_of(state.part("join"), "at_least"), "a number such as 2, or a template")]
        for key, node, expected in (*shares, *numbers):
            text = text_of(node)
            if node is None or text is None or "{{" in text or (key == "tolerate" and _SHARE.fullmatch(text)):
                continue
            yield codes.BAD_AMOUNT.at(node.span, f"`{key}` should be {expected}, not the text {text}")


_NEVER_TEXTS = {"foreach": "a list, or a template that gives one", "params": "a map, or one template"}


def texts_do_not_stand_for_values(subject: Subject) -> Iterator[Finding]:
    """`foreach: input.items` and `params: input.order` are texts, which can never be right there."""
    for key, expected in _NEVER_TEXTS.items():
        nodes = [node for _state, node in subject.parts(key)]
        nodes += filter(None, (part_of(undo, key) for _state, undo in subject.parts("compensate")))
        for node in nodes:
            text = text_of(node)
            if text is not None and "{{" not in text:
                meant = text.partition(" in ")[2] or text if key == "foreach" else text
                hint = f'write {key}: "{{{{ {meant.strip()} }}}}"' if meant.strip() and '"' not in meant else None
                message = f"`{key}` should be {expected}, not the text {text[:40]}"
                yield codes_schema.WRONG_TYPE.at(node.span, message, hint)


def collects_mean_what_they_say(subject: Subject) -> Iterator[Finding]:
    """`collect: no` would collect the text no."""
    for _state, node in subject.parts("collect"):
        if text_of(node) in _FALSE_WORDS:
            message = f"{node.value} is a text here, so that each item would give this text"
            yield codes_source.TEXT_LIKE_A_NUMBER.at(node.span, message, "to collect nothing write collect: false")


def items_have_free_names(subject: Subject) -> Iterator[Finding]:
    """`as` takes no name that means something already."""
    for state, node in subject.parts("as"):
        name = name_of(node)
        if name is None:
            continue
        around = subject.blueprint.machines[state.machine].items
        if (name.text in _TAKEN and name.text != "item") or name.text in around:
            message = f"`{name.text}` means something already"
            yield codes.TAKEN_NAME.at(name.span, message, f"write as: {name.text}_item, or another name")
