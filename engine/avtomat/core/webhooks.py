"""Name the events of a job that others are told of, and the endpoints that a job tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.value import value

EVENTS: Final = (
    "job.finished",
    "job.failed",
    "job.cancelled",
    "job.quarantined",
    "job.paused",
    "job.resumed",
    "approval.requested",
    "approval.reminded",
)
"""All types of events, in the order in which they are documented."""

COMPANION: Final = "avtomat.webhook"
"""The blueprint of the jobs that send events. No author can give a blueprint such a name."""

SUBMISSION: Final = "submission"
"""The name of the endpoint that a client gives with its job."""


@value
class Webhook:
    """An endpoint that is told of a job's `events`. The job `job`, which begins with it, sends them."""

    job: str
    endpoint: str
    url: str
    events: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Return the webhook as it is kept in the head of a job."""
        return {"job": self.job, "endpoint": self.endpoint, "url": self.url, "events": self.events}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> Webhook:
        """Build the webhook from what `as_json` gave."""
        return cls(job=record["job"], endpoint=record["endpoint"], url=record["url"], events=tuple(record["events"]))
