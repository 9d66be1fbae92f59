"""Rules about hooks: what their requests do, how their senders are known, and that their signals are awaited."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.checks.shape import span_of_key
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.spec import entries_of, part_of, text_of

_OF_SIGNALS = ("job", "key", "payload")
_OF_STARTS = ("input", "client")
_OF_SCHEMES = {"header": ("token",), "tolerance": ("standard", "stripe")}


def hooks_do_one_thing(subject: Subject) -> Iterator[Finding]:
    """A hook starts a job or sends a signal, and has the keys of that alone."""
    for _name, hook in entries_of(subject.blueprint.part("on")):
        sends = part_of(hook, "signal") is not None
        for key in _OF_STARTS if sends else _OF_SIGNALS:
            if part_of(hook, key) is not None:
                message = (
                    f"`{key}` does not go with `signal`" if sends else f"`{key}` goes with `signal`, which is missing"
                )
                hint = "a signal has job, key and payload" if sends else "name the signal: signal: order.paid"
                yield codes.BAD_HOOK.at(span_of_key(hook, key), message, hint)
        if sends and part_of(hook, "job") is None:
            hint = 'say which job gets it: job: "{{ body.job }}"'
            yield codes.BAD_HOOK.at(span_of_key(hook, "signal"), "the signal has no `job`", hint)


def hooks_are_verified(subject: Subject) -> Iterator[Finding]:
    """What `verify` says belongs to its scheme."""
    for _name, hook in entries_of(subject.blueprint.part("on")):
        verify = part_of(hook, "verify")
        scheme = text_of(part_of(verify, "scheme"))
        if verify is None or scheme is None:
            continue
        for key, schemes in _OF_SCHEMES.items():
            if part_of(verify, key) is not None and scheme not in schemes:
                message = f"`{key}` does not go with the scheme {scheme}"
                yield codes.BAD_HOOK.at(span_of_key(verify, key), message, f"it goes with {listed(schemes)}")


def signals_of_hooks_are_awaited(subject: Subject) -> Iterator[Finding]:
    """Some state waits for the signal that a hook sends."""
    awaited = {text for _state, node in subject.parts("signal") if (text := text_of(node)) is not None}
    for _name, hook in entries_of(subject.blueprint.part("on")):
        signal = part_of(hook, "signal")
        name = text_of(signal)
        if signal is not None and name is not None and name not in awaited:
            yield codes.BAD_HOOK.at(signal.span, f"no state waits for the signal `{name}`", _hint(name, awaited))


def _hint(name: str, awaited: set[str]) -> str:
    return nearest_hint(name, awaited) or f"add a state with signal: {name}"
