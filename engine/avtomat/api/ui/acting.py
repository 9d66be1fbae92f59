"""What people do to a job from its page: the forms, and what is done when one is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import JOBS, found
from avtomat.api.clients.signals import SIGNAL
from avtomat.api.http.answer import Answer
from avtomat.api.http.doors import refuse_out_of_scope
from avtomat.api.http.requests import Request
from avtomat.api.ui.door import PageRoute, form_of, redirect
from avtomat.api.ui.markup import Child, Markup, element
from avtomat.core.formula import Json
from avtomat.core.messages import (
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)
from avtomat.core.model import ENDED
from avtomat.core.program import Program
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.clients import Accepted
from avtomat.runtime.jobs.signals import Signal, Signals
from avtomat.runtime.json_door import read_json
from avtomat.runtime.people.operating import Operators

TEXT_CHARACTERS_MAX: Final = 1_000
_ACTIONS: Final = ("cancel", "pause", "resume", "retry", "skip", "rerun", "signal")

Rights = Mapping[str, frozenset[Scope]]
"""Which scopes open an action, by its name: those of the operation that does the same over HTTP."""


def rights_of_actions(rights: Mapping[tuple[str, str], frozenset[Scope]]) -> Rights:
    """What each action needs, by the rights of the clients' door."""
    return {action: rights["POST", SIGNAL if action == "signal" else f"{JOBS}/{{job}}/{action}"] for action in _ACTIONS}


class ActionRoutes:
    """The routes to which forms on a job's page are sent."""

    def __init__(self, operators: Operators, signals: Signals, rights: Rights) -> None:
        self._operators = operators
        self._signals = signals
        self._rights = rights

    def routes(self) -> Sequence[PageRoute]:
        """One for each action."""
        return (("POST", "/ui/jobs/{job}/{action}", self.act),)

    async def act(self, request: Request) -> Answer:
        """Do it, and show the job again."""
        job_id, action = request.parts["job"], request.parts["action"]
        if action not in _ACTIONS:
            raise RequestRefused("there is no such action", status=404, code="request.no_route")
        refuse_out_of_scope(request.caller, self._rights[action])
        form = await form_of(request)
        if action == "signal":
            return await self._send(request, job_id, form)
        by, client, reason = request.caller.name, request.caller.acts, form.get("reason", "")[:TEXT_CHARACTERS_MAX]
        if action == "cancel":
            compensate = form.get("compensate") != "no"
            found(await self._operators.cancel(job_id, client, by, reason, compensate=compensate), job_id)
        elif action == "rerun":
            state, data = form.get("state") or None, _value(form, "data")
            event = RerunRequested(by=by, reason=reason, state=state, data=data)
            made = found(await self._operators.rerun(job_id, client, event), job_id)
            if isinstance(made, Accepted):
                return redirect(f"/ui/jobs/{made.job_id}")
        else:
            found(await self._operators.operate(job_id, client, _event(action, by, reason, form)), job_id)
        return redirect(f"/ui/jobs/{job_id}")

    async def _send(self, request: Request, job_id: str, form: Mapping[str, str]) -> Answer:
        signal = Signal(name=form.get("name", ""), payload=_value(form, "payload"), key=form.get("key", ""))
        found(await self._signals.send(job_id, request.caller.acts, signal, request.caller.name), job_id)
        return redirect(f"/ui/jobs/{job_id}")


def _event(action: str, by: str, reason: str, form: Mapping[str, str]) -> OperatorEvent:
    match action:
        case "pause":
            return PauseRequested(by=by, reason=reason)
        case "resume":
            return ResumeRequested(by=by, reason=reason)
        case "retry":
            return ReleaseRequested(by=by, reason=reason)
        case _:
            return SkipRequested(by=by, reason=reason, output=_value(form, "output"))


def _value(form: Mapping[str, str], name: str) -> Json:
    """A field that holds JSON; an empty one is null."""
    text = form.get(name, "").strip()
    try:
        return read_json(text.encode()) if text else None
    except RequestRefused as refused:
        message = refused.message.replace("the body", name)
        raise RequestRefused(message, status=422, code="request.invalid", pointer=f"/{name}") from None


# --- the forms --------------------------------------------------------------------------------------------------------


def actions_view(
    job: Mapping[str, Json],
    program: Program,
    causes: Sequence[Mapping[str, Json]],
    may: Callable[[str], bool],
) -> Markup:
    """What may be done to the job as it stands, by somebody who `may` do it."""
    forms: list[Child] = [_signal(job["id"], cause) for cause in causes if cause["cause"] == "signal" and may("signal")]
    forms += [
        _form(job["id"], action, name, what, danger=action == "cancel")
        for action, name, what in _actions_at(job["status"])
        if may(action)
    ]
    if job["status"] in ENDED:
        return element("div", *forms)
    skip, rerun = "take its state as done, with this output", "enter a state anew; with data, with these variables"
    more = [
        *([_form(job["id"], "skip", "Skip", skip, _json_field("output"))] if may("skip") else ()),
        *([_form(job["id"], "rerun", "Rerun", rerun, *_rerun_fields(program))] if may("rerun") else ()),
    ]
    return element("div", *forms, element("details", element("summary", "More"), *more) if more else None)


def _actions_at(status: str) -> Iterator[tuple[str, str, str]]:
    """The actions that make sense now: each with its button, and what it does."""
    if status in ENDED:
        yield "rerun", "Run again", "as a new job, with the same input"
        return
    if status == "paused":
        yield "resume", "Resume", "let it go on"
    elif status == "quarantined":
        yield "retry", "Retry", "try again what failed"
    else:
        yield "pause", "Pause", "pause it"
    yield "cancel", "Cancel", "end it, after undoing what it did"


def _form(job_id: str, action: str, name: str, what: str, *fields: Markup, danger: bool = False) -> Markup:
    return element(
        "form",
        element("button", name, title=what, class_="danger" if danger else None),
        element("input", name="reason", placeholder=f"why: {what}", aria_label=f"reason to {action}", size="28"),
        *fields,
        method="post",
        action=f"/ui/jobs/{job_id}/{action}",
        class_="act",
    )


def _signal(job_id: str, cause: Mapping[str, Json]) -> Markup:
    name, key = cause["details"]["signal"], cause["details"].get("key") or ""
    return element(
        "form",
        element("button", f"Send the signal {name}"),
        element("input", name="name", type="hidden", value=name),
        element("input", name="key", value=key, placeholder="key", aria_label="key", size="12"),
        _json_field("payload"),
        method="post",
        action=f"/ui/jobs/{job_id}/signal",
        class_="act",
    )


def _json_field(name: str) -> Markup:
    return element("textarea", name=name, placeholder=f"{name}: JSON", aria_label=f"{name} as JSON", rows="2")


def _rerun_fields(program: Program) -> tuple[Markup, Markup]:
    states = [element("option", "the current state", value="")]
    states += [element("option", name, value=name) for name in program.machines[""].states]
    return element("select", *states, name="state", aria_label="state"), _json_field("data")
