"""Blank the secrets of an attempt in what its worker says of an error.

A worker may repeat what it was given: a library's error often quotes the request. Its message and details are kept and
shown to people, so each secret that the attempt was given is replaced there before anything is stored. Short texts are
left alone: they would match by chance. Outputs are never changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from avtomat.core.formula import Json
from avtomat.core.messages import TaskFailed, TaskSucceeded, WorkerAnswer
from avtomat.errors import SecretError
from avtomat.secrets import BLANKED, Secrets

SECRET_CHARACTERS_MIN = 8


def says_an_error(event: WorkerAnswer) -> bool:
    """Whether an answer has words about an error, which people will read."""
    return isinstance(event, TaskFailed) or (isinstance(event, TaskSucceeded) and event.error is not None)


def blanked(event: WorkerAnswer, vault: Secrets, names: Collection[str]) -> WorkerAnswer:
    """The answer with these secrets replaced in its error: in the message, in all texts and keys of the details."""
    texts = [text for name in names if len(text := _text_of(vault, name)) >= SECRET_CHARACTERS_MIN]
    if not texts:
        return event
    texts.sort(key=len, reverse=True)  # one may be a part of another
    match event:
        case TaskFailed():
            return replace(event, message=_without(event.message, texts), details=_without(event.details, texts))
        case TaskSucceeded():
            return replace(event, error=_without(event.error, texts))
    return event


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
