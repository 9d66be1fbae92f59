"""The rules about states that run other blueprints; what holds between several files is in `blueprint/families.py`."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import flag

_OF_WAITING = ("timeout", "retry")


def detached_runs_wait_for_nothing(subject: Subject) -> Iterator[Finding]:
    """Nothing is said about the time or the failure of a job that nobody waits for."""
    for state in subject.states:
        if state.kind == "run" and flag(state.part("detach")):
            for key in _OF_WAITING:
                if state.part(key) is not None:
                    message = f"`{key}` is never used, because nobody waits for a detached job"
                    hint = "leave it out, or write it in the blueprint that is run"
                    yield codes.DETACHED_WAITS.at(state.key_span(key), message, hint)
