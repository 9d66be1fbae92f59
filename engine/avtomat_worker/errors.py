"""What can go wrong between a worker, its tasks and the engine.

Exception
├── TaskError              raised by a task: the attempt fails with this code
└── EngineError            the engine did not do what was asked
    ├── EngineUnavailableError  not now: repeat later (network, 408, 425, 429, 5xx)
    ├── UnknownWorkerError      the engine forgot this worker: register, then repeat
    └── EngineRefusedError      never: repeating the same request cannot help
"""

from __future__ import annotations

from typing import Any


def text_of(value: object) -> str:
    """The text of any object, ready to be sent: what UTF-8 cannot say is escaped. An object that cannot say its text
    gives the name of its type.
    """
    try:
        text = str(value)
    except Exception:
        text = f"{type(value).__name__} (its text cannot be had)"
    return text.encode(errors="backslashreplace").decode()


class TaskError(Exception):
    """Raise it in a task to fail the attempt with a code that blueprints can name in `retry` and `catch`.

    `code` is your own or one that the engine knows (TRANSIENT_ERROR is retried by default, PERMANENT_ERROR is not; your
    own codes are retried only where a policy names them). Codes are `[A-Z][A-Z0-9_]*`; the engine makes another form
    fit (`S3.NoSuchBucket` becomes S3_NOSUCHBUCKET), and keeps the original in the details. `message` is a text, or
    anything that has one, such as the exception that was caught. `details` is any JSON.
    """

    def __init__(self, code: str, message: object = "", details: Any = None) -> None:
        if not isinstance(code, str) or not code:
            raise ValueError(f"an error code is a text like CARD_DECLINED, not {code!r}")
        super().__init__(code, message, details)
        self.code = text_of(code)
        self.message = "" if message is None else text_of(message)
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class EngineError(Exception):
    """The engine did not do what was asked."""


class EngineUnavailableError(EngineError):
    """Not now; `retry_after_s` is how long the engine asked to be left alone, if it said so."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownWorkerError(EngineError):
    """The engine does not know this worker (any more)."""


class EngineRefusedError(EngineError):
    """The engine will not do it, however often it is asked; `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_about_the_token(self) -> bool:
        """Whether the worker's token is what was wrong."""
        return self.status in {401, 403}
