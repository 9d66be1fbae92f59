"""What the engine raises, by what it means for whoever catches it.

    AvtomatError                 has a code (part of the API), a message and, where one is known, a hint
    ├── SettingsError            a flag, a variable or avtomat.toml is wrong
    ├── SecretError              a secret is unknown, or cannot be read from where it is kept
    ├── BlueprintsRefusedError   blueprints have errors, each told with file and line
    ├── UsageError               a command was called in a way that makes no sense
    ├── NotFoundError            what a command names is not there
    ├── ServerUnreachableError   no engine answers at the address that a command was given
    ├── WaitTimeoutError         what a command waited for did not happen in time
    ├── RequestRefused           a request is answered with a problem (RFC 9457): status, code, pointer
    └── StoreError               the store cannot be used
        ├── StoreNotExecuted     certainly nothing happened: the operation may be repeated
        │   └── StoreBusy        it is there but cannot do it now: whoever asked may repeat it later, not the engine
        └── StoreAnswerLost      sent, but the answer was lost: repeat it only as the same operation

Expected outcomes (a finding in a file, a late result, a commit that came second) are values, not exceptions.
`exit_code` is what the command line ends with when the error reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

_EXIT_CODES: Final = {"request.parameter": 2, "request.invalid": 2, "blueprint.no_good_version": 1}
"""Of refusals of these codes; the others' follow from their status."""


class AvtomatError(Exception):
    """The root of what Avtomat raises on purpose. The text says what was found and what was expected."""

    default_code: ClassVar[str] = "internal"
    exit_code: int = 1

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint


class SettingsError(AvtomatError):
    """Settings cannot be used as they are; each line of the text is one finding. `keys` has for each of them the way to
    the entry of avtomat.toml that it is about; none where it is about something else.
    """

    default_code = "settings.invalid"
    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, keys: Sequence[Sequence[str]] = ()) -> None:
        super().__init__(message, hint=hint)
        self.keys = keys


class SecretError(AvtomatError):
    """A secret cannot be had; the text names it and never shows a value."""

    default_code = "secret.unavailable"


class BlueprintsRefusedError(AvtomatError):
    """Blueprints have errors and cannot be used; each line of the text is one finding."""

    default_code = "blueprints.refused"


class UsageError(AvtomatError):
    """A command was called in a way that makes no sense, which argparse could not see."""

    default_code = "usage"
    exit_code = 2


class NotFoundError(AvtomatError):
    """What a command names is not there."""

    default_code = "not_found"
    exit_code = 3


class ServerUnreachableError(AvtomatError):
    """No engine answers at the address that a command was given."""

    default_code = "server.unreachable"
    exit_code = 5


class WaitTimeoutError(AvtomatError):
    """What a command waited for did not happen in the time that it was given."""

    default_code = "wait.timeout"
    exit_code = 124


class RequestRefused(AvtomatError):  # noqa: N818 - an answer, not a fault: the engine did what it should
    """A request is refused: raised behind a door, answered as problem+json, and raised again by a client of ours.

    `pointer` (RFC 6901) leads to the part of the body that is meant; `retry_after_s` becomes Retry-After. `errors`
    lists all findings where there are several, each with pointer and message; `details` are further members of the
    problem.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        hint: str | None = None,
        pointer: str | None = None,
        retry_after_s: int | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.errors = errors
        self.details = details
        self.exit_code = _EXIT_CODES.get(code) or {401: 4, 403: 4, 404: 3, 503: 5}.get(status, 1)


class StoreError(AvtomatError):
    """The store cannot be used: it is not there, not ours, newer than this engine, or wrongly set up."""

    default_code = "store.unavailable"
    exit_code = 5


class StoreNotExecuted(StoreError):  # noqa: N818 - named after what the caller may rely on
    """Certainly nothing happened; the operation may be repeated."""


class StoreBusy(StoreNotExecuted):
    """The store is there, but cannot do it now: too many wait, its disk is full, another program has it locked. It has
    waited as long as makes sense, so the caller is told at once.
    """


class StoreAnswerLost(StoreError):  # noqa: N818 - named after what the caller may rely on
    """The operation was sent and may or may not have happened; repeat it only with the same arguments."""

    default_code = "store.answer_lost"
