"""Say of a route what its declaration does not: a longer text, and the parameters in its query and headers.

Routes are found by their ids. What a path's own parts are, and which scopes a route needs, the document says by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.api.clients.jobs import HISTORY_PAGE_MAX, PAGE_DEFAULT, PAGE_MAX
from avtomat.api.openapi.operation import Details, Parameter
from avtomat.runtime.jobs.clients import STATUS_WORDS

_WAIT: Final = Parameter(
    name="wait", text="Seconds to wait for the job's end, at most 60.", schema={"type": "number", "minimum": 0}
)
_CURSOR_TEXT: Final = "`next_cursor` of the page before."
_CURSOR: Final = Parameter(
    name="cursor", text=_CURSOR_TEXT, schema={"type": "string", "pattern": r"^[0-9]{1,15}\.[0-9a-z]{1,64}$"}
)
_HISTORY_CURSOR: Final = Parameter(
    name="cursor", text=_CURSOR_TEXT, schema={"type": "string", "pattern": "^[0-9]{1,9}$"}
)
_TRACE: Final = Parameter(
    name="traceparent", text="W3C Trace Context; kept with the job.", schema={"type": "string"}, place="header"
)


def _idempotency_key(text: str) -> Parameter:
    """The header under which a request may be repeated, with what it does there."""
    return Parameter(
        name="Idempotency-Key", text=text, schema={"type": "string", "pattern": "^[ -~]{1,255}$"}, place="header"
    )


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name="limit", text="How many at most.", schema=schema)


_KEY_OF_ACTION: Final = _idempotency_key("The same key with the same body is the same request: it is carried out once.")
_ACTION: Final = Details(
    text="409 `job.state` with the cause when the job is not in a state for it.", parameters=(_KEY_OF_ACTION,)
)

_FILTERS: Final = (
    Parameter(name="status", text="Only these.", schema={"type": "string", "enum": sorted(STATUS_WORDS)}),
    Parameter(name="blueprint", text="Only jobs of this blueprint.", schema={"type": "string"}),
)

DETAILS: Final[Mapping[str, Details]] = {
    "submitJob": Details(
        text="202 and a Location once the job is stored. With `wait`: 200 and the whole job if it ends in time, even "
        "if it failed, else 202 and the whole job. A list gets a result each, in its order.",
        parameters=(
            _WAIT,
            _idempotency_key(
                "The same key with the same body is the same job, for as long as it is kept; with another body, 409."
            ),
            _TRACE,
        ),
    ),
    "listWorkers": Details(
        text="Those that are registered, and those of which a fault is known; the first 1,000 by name."
    ),
    "listBreakers": Details(
        text="Those of kinds of which an attempt failed lately, or whose breaker changed within a week."
    ),
    "resetBreaker": Details(text="It counts anew from then on."),
    "listJobs": Details(
        text="A status that an open job derives from what it waits for filters each page, which may then be short.",
        parameters=(
            *_FILTERS,
            Parameter(
                name="parent",
                text="Only jobs that this job began; `none`: only those that no job began.",
                schema={"type": "string"},
            ),
            _limit(PAGE_DEFAULT, PAGE_MAX),
            _CURSOR,
        ),
    ),
    "listChildren": Details(parameters=(*_FILTERS, _limit(PAGE_DEFAULT, PAGE_MAX), _CURSOR)),
    "getJob": Details(
        text="With `wait`: once it has ended, or when the time is over. Has an ETag.", parameters=(_WAIT,)
    ),
    "getHistory": Details(parameters=(_limit(PAGE_MAX, HISTORY_PAGE_MAX), _HISTORY_CURSOR)),
    "sendSignal": Details(
        text="202 once it is stored: the state that waits for the signal and its key goes on with the payload, now or "
        "when it comes to wait. 200 when a signal with this id was taken before."
    ),
    "listApprovals": Details(
        text="Of the bodies of blocks so many are looked at; `complete` is false when there are more.",
        parameters=(
            Parameter(
                name="links",
                text="With `true`: the links by which those who are asked can decide; all of them for who may "
                "operate the job. Whoever has a link can decide by it.",
                schema={"type": "boolean", "default": False},
            ),
        ),
    ),
    "decideApproval": Details(
        text="`state` is the path of the state, as errors have it, or that of the scope. The first decision of a visit "
        "counts: later ones get 409 `approval.decided` with who decided, what and when in `details`; an earlier visit "
        "is 410. 202: the job does not move now, and the decision counts once it goes on.",
    ),
    "listWebhooks": Details(
        text="`endpoint` and `status` filter each page, which may then be short.",
        parameters=(
            Parameter(name="job", text="Only of this job.", schema={"type": "string"}),
            Parameter(name="endpoint", text="Only to this endpoint.", schema={"type": "string"}),
            Parameter(name="status", text="Only of this status.", schema={"type": "string"}),
            _limit(PAGE_DEFAULT, PAGE_MAX),
            _CURSOR,
        ),
    ),
    "resendWebhook": Details(
        text="202 and a Location once it is stored that they are sent again, in their order and with their ids, to "
        "where the endpoint is now. 409 `webhook.nothing_dead` when there are none.",
        parameters=(_idempotency_key("The same key again is the same resending."),),
    ),
    "cancelJob": Details(text="After undoing what it did. An ended job stays as it is.", parameters=(_KEY_OF_ACTION,)),
    **dict.fromkeys(("pauseJob", "resumeJob", "retryJob", "releaseJob", "skipJob"), _ACTION),
    "rerunJob": Details(
        text="An ended job becomes a new one, with the same input and the current blueprint.",
        parameters=(
            _idempotency_key(
                "The same key with the same body is the same request, and of an ended job the same new job; with "
                "another body, 409."
            ),
        ),
    ),
    "restoreBlueprint": Details(
        text="It stays until the file changes; the first digits of the version are enough.",
    ),
    "listSchedules": Details(
        parameters=(Parameter(name="blueprint", text="Only those of this blueprint.", schema={"type": "string"}),)
    ),
    "pauseSchedule": Details(text="Runs that wait are dropped, and jobs that run go on."),
    "resumeSchedule": Details(text="From now on: nothing is made up for."),
    "triggerSchedule": Details(
        text="Whatever runs, and whether or not it is paused. 409 `schedule.busy` with 100 of its jobs open, 422 "
        "`schedule.refused` when its input does not fit.",
        parameters=(_idempotency_key("The same key of the same person is the same job, for as long as it is kept."),),
    ),
    "receiveHook": Details(
        text="A hook is one of `on` in its blueprint, whose `verify` says how requests are signed. 202 once the job or "
        "the signal is stored; 200 for what was taken before, and for what changes nothing.",
    ),
    "heartbeat": Details(text="404: the worker is not known and must register again."),
    "deliverResult": Details(
        text="With `next` the answer brings tasks of these kinds, as `task` or, with `max`, `tasks`.",
        parameters=(
            Parameter(name="next", text="Kinds of task, with commas.", schema={"type": "string"}),
            Parameter(name="max", text="With next: how many at most.", schema={"type": "integer"}),
            Parameter(
                name="nonce", text="With next: the same nonce gets the same tasks again.", schema={"type": "string"}
            ),
        ),
    ),
    "pollTasks": Details(
        parameters=(
            Parameter(name="timeout", text="Seconds to wait; 30 if unset.", schema={"type": "number"}),
            Parameter(name="available_skills", text="Kinds of task, with commas.", schema={"type": "string"}),
            Parameter(name="max", text="How many at most; the answer is a list then.", schema={"type": "integer"}),
            Parameter(name="nonce", text="The same nonce gets the same tasks again.", schema={"type": "string"}),
            Parameter(
                name="holding", text="Ids of all tasks it has; others are taken back.", schema={"type": "string"}
            ),
        ),
    ),
}
"""By the id of the route; most public routes need none."""
