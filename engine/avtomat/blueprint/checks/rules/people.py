"""Rules about what people are asked: the choices, and the time between reminders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import items_of, text_of
from avtomat.core.duration import parse_duration

CHOICE_CHARACTERS_MAX = 64


def choices_can_be_told_apart(subject: Subject) -> Iterator[Finding]:
    """No choice is empty, too long for a button, or there twice."""
    for _state, node in subject.parts("choices"):
        seen: set[str] = set()
        for item in items_of(node):
            text = text_of(item)
            if text is None:
                continue
            if not text.strip() or text != text.strip():
                message = "a choice is a word without white space around it"
                yield codes.BAD_CHOICES.at(item.span, message, "write a word, such as approve")
            elif len(text) > CHOICE_CHARACTERS_MAX:
                message = f"a choice has at most {CHOICE_CHARACTERS_MAX} characters, this one {len(text)}"
                yield codes.BAD_CHOICES.at(
                    item.span, message, "write a word, and explain it in the text of the approval"
                )
            elif text in seen:
                yield codes.BAD_CHOICES.at(item.span, f"the choice `{text}` is there twice", "leave one of them out")
            seen.add(text)


def reminders_leave_time(subject: Subject) -> Iterator[Finding]:
    """No reminder follows at once."""
    for _state, node in subject.parts("remind"):
        text = text_of(node)
        if text is not None and parse_duration(text) == timedelta(0):
            message = f"`remind` {text} leaves no time between two reminders"
            yield codes.NO_TIME.at(node.span, message, "write a longer one, such as remind: 1d, or leave it out")
