"""Blank the secrets of an attempt in what its worker says of an error.

A worker may repeat what it was given: a library's error often quotes the request. Its message and details, and what a
result has beside its output, are kept and shown to people, so each secret that the attempt was given is replaced there
before anything is stored. Short texts are left alone: they would match by chance. Outputs are never changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from avtomat.core.formula import Json
from avtomat.core.messages import TaskFailed, TaskSucceeded, WorkerAnswer
from avtomat.errors import SecretError
from avtomat.secrets import BLANKED, Secrets

SECRET_CHARACTERS_MIN = 8


def says_words(event: WorkerAnswer) -> bool:
    """Whether an answer has texts beside its output, which people will read."""
    if isinstance(event, TaskFailed) or (isinstance(event, TaskSucceeded) and event.error is not None):
        return True
    return event.beside is not None and _has_text(event.beside)


def blanked(event: WorkerAnswer, vault: Secrets, names: Collection[str]) -> WorkerAnswer:
    """The answer with these secrets replaced in its error and in what was told beside: in all texts and keys."""
    texts = [text for name in names if len(text := _text_of(vault, name)) >= SECRET_CHARACTERS_MIN]
    if not texts:
        return event
    texts.sort(key=len, reverse=True)  # one may be a part of another
    event = replace(event, beside=_without(event.beside, texts))
    match event:
        case TaskFailed():
            return replace(event, message=_without(event.message, texts), details=_without(event.details, texts))
        case TaskSucceeded():
            return replace(event, error=_without(event.error, texts))
    return event


def _has_text(value: Json) -> bool:
    match value:
        case str():
            return True
        case list():
            return any(map(_has_text, value))
        case dict():
            return any(map(_has_text, value.values()))
    return False


def _text_of(vault: Secrets, name: str) -> str:
    try:
        return vault.text_of(name)
    except SecretError:  # it is gone since
        return ""


def _without(value: Json, texts: Collection[str]) -> Json:
    match value:
        case str():
            for text in texts:
                value = value.replace(text, BLANKED)
            return value
        case list():
            return [_without(each, texts) for each in value]
        case dict():
            return {_without(key, texts): _without(each, texts) for key, each in value.items()}
    return value
