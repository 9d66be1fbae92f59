"""Name what passes between a job and the jobs that it begins: the order to begin one, and how one ended."""

from __future__ import annotations

from hashlib import blake2b

from avtomat.core.formula import Json
from avtomat.core.model import Error, Status
from avtomat.core.value import value

PARTITION_DIGITS = 2
"""A job's id begins with so many digits that name its partition; a child lives where its parent lives."""


@value
class StartJob:
    """Begin a job of this version of a blueprint, under the id `job`, for a visit of the scope that decided so.

    The scope waits for it, unless it is `detached`; `attempt` counts the jobs that the visit began. `place` is the path
    of its state, for people.
    """

    job: str
    blueprint: str
    digest: str
    input: Json
    visit: int
    place: str = ""
    attempt: int = 1
    detached: bool = False


@value
class ChildEnded:
    """The job `job`, for which the scope may wait, has ended as `status`: with its result, or with its error."""

    job: str
    status: Status
    output: Json = None
    error: Error | None = None


def child_id(parent: str, path: str, visit: int, attempt: int) -> str:
    """The id of the job that this attempt of this visit begins: the same whoever decides it."""
    place = f"{parent} {path} {visit} {attempt}".encode()
    return parent[:PARTITION_DIGITS] + blake2b(place, digest_size=12).hexdigest()
