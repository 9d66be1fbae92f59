"""The ways in which the scripted engine answers a request otherwise than a healthy engine would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer with this status, and do nothing of what was asked."""

    status: int
    body: bytes = b'{"error": "not now"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Do nothing of what was asked, and break the connection without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose:
    """Do what was asked, and break the connection without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Do what was asked, and answer so much later."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Hand out, send the first half of the answer, and the rest when `engine.finish_answers` is called."""


Reply = Refuse | Drop | Lose | Delay | Begin
