"""The pages of schedules: when each runs next, what became of its last runs, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import refuse_blueprint
from avtomat.api.clients.operating import TEXT_CHARACTERS_MAX
from avtomat.api.http.answer import Answer
from avtomat.api.http.requests import Request
from avtomat.api.ui.door import PageRoute, form_of, html_answer, redirect
from avtomat.api.ui.frame import ago, link, page, table, value_view
from avtomat.api.ui.markup import Child, Markup, element, joined
from avtomat.blueprint.language.zones import local_time
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time
from avtomat.errors import RequestRefused
from avtomat.runtime.schedules.operations import ScheduleOperations

_HERE: Final = "/ui/schedules"
_ONE: Final = _HERE + "/{blueprint}/{name}"
_EMPTY: Final = joined(
    "No blueprint has a schedule. Write one: ", element("code", "schedule: [{name: nightly, cron: '0 6 * * *'}]")
)


class SchedulePages:
    """The list, one schedule, and the forms on its page, which are for who has one of the scopes `acting`."""

    def __init__(self, schedules: ScheduleOperations, acting: frozenset[Scope], *, can_leave: bool) -> None:
        self._schedules = schedules
        self._acting = acting
        self._can_leave = can_leave

    def routes(self) -> Sequence[PageRoute]:
        """Those that show."""
        return (("GET", _HERE, self.list), ("GET", _ONE, self.show))

    def routes_of_actions(self) -> Sequence[PageRoute]:
        """Those to which forms are sent."""
        return (("POST", _ONE + "/{action}", self.act),)

    async def list(self, request: Request) -> Answer:
        """All of them, one a line."""
        rows = [_row(each) for each in await self._schedules.list()]
        heads = ("Schedule", "Blueprint", "When", "Next", "Last run", "")
        return self._page(request, "Schedules", element("h1", "Schedules"), table(heads, rows, _EMPTY))

    async def show(self, request: Request) -> Answer:
        """One of them: its next ten times, its last runs."""
        shown = await self._schedules.show(request.parts["blueprint"], request.parts["name"])
        blueprint, name, zone = shown["blueprint"], shown["name"], shown["timezone"]
        following: list[tuple[Child, ...]] = [(_local(each, zone), ago(each)) for each in shown["next"]]
        runs: list[tuple[Child, ...]] = [
            (ago(run["scheduled_for"]), _outcome(run), _job(run), run["by"], run["reason"]) for run in shown["runs"]
        ]
        content: tuple[Child, ...] = (
            element("p", link("Schedules", "schedules"), class_="lead"),
            element("h1", name, " · ", link(blueprint, "blueprints", blueprint)),
            _lead(shown),
            None if self._acting.isdisjoint(request.caller.scopes) else _actions(shown),
            element("h2", "Next"),
            table((f"In {zone}", ""), following, "It never comes again."),
            element("h2", "Last runs"),
            table(("For", "Outcome", "Job", "By", "Why"), runs, "None yet."),
            element("h2", "Input"),
            value_view("input", shown["input"], f"/api/v1/schedules/{blueprint}/{name}"),
        )
        return self._page(request, f"{blueprint}/{name}", *content)

    async def act(self, request: Request) -> Answer:
        """Do what a form asks for, and show what it led to."""
        blueprint, name, action = (request.parts[part] for part in ("blueprint", "name", "action"))
        refuse_blueprint(request.caller, blueprint)
        form, by = await form_of(request), request.caller.name
        match action:
            case "pause":
                await self._schedules.pause(blueprint, name, by, form.get("reason", "")[:TEXT_CHARACTERS_MAX])
            case "resume":
                await self._schedules.resume(blueprint, name)
            case "trigger":
                job, _ = await self._schedules.trigger(blueprint, name, by)
                return redirect(f"/ui/jobs/{job}")
            case _:
                raise RequestRefused("there is no such action", status=404, code="request.no_route")
        return redirect(f"{_HERE}/{blueprint}/{name}")

    def _page(self, request: Request, title: str, *content: Child) -> Answer:
        sees_all, leaves = request.caller.reads is None, request.caller.name if self._can_leave else None
        return html_answer(page(title, *content, here=_HERE, live=True, sees_all=sees_all, leaves=leaves))


def _row(each: Mapping[str, Json]) -> tuple[Child, ...]:
    last = each["runs"][0] if each["runs"] else None
    return (
        link(each["name"], "schedules", each["blueprint"], each["name"]),
        link(each["blueprint"], "blueprints", each["blueprint"]),
        joined(element("code", each["cron"]), f" {each['timezone']}"),
        "paused" if each["paused"] else ago(each["next"][0] if each["next"] else None),
        None if last is None else joined(_outcome(last), " ", ago(last["scheduled_for"])),
        None if last is None else _job(last),
    )


def _lead(shown: Mapping[str, Json]) -> Markup:
    pause = shown["paused"]
    facts: list[Child] = [element("code", shown["cron"]), f" {shown['timezone']} · overlap {shown['overlap']}"]
    facts.append(f" · catch up {shown['catch_up']}")
    facts.append(f" · jitter {shown['jitter']}" if shown["jitter"] else None)
    facts.append(f" · {len(shown['waiting'])} runs wait" if shown["waiting"] else None)
    if pause:
        why = f": {pause['reason']}" if pause["reason"] else ""
        facts += [element("br"), element("b", "Paused"), f" by {pause['by']} ", ago(pause["at"]), why]
    return element("p", *facts, class_="lead")


def _outcome(run: Mapping[str, Json]) -> Markup:
    tones = {"started": "good", "refused": "bad", "missed": "worry"}
    count = f" ({run['count']})" if run["count"] > 1 else ""
    return element("span", f"{run['outcome']}{count}", class_=f"badge {tones.get(run['outcome'], 'off')}")


def _job(run: Mapping[str, Json]) -> Child:
    is_there = run["job_id"] is not None and run["outcome"] == "started"
    return link(run["job_id"], "jobs", run["job_id"]) if is_there else None


def _local(text: str, zone: str) -> str:
    moment = parse_time(text)
    return "" if moment is None else local_time(moment, zone).strftime("%a %Y-%m-%d %H:%M %Z")


def _actions(shown: Mapping[str, Json]) -> Markup:
    hold = ("resume", "Resume") if shown["paused"] else ("pause", "Pause")
    return element("div", _form(shown, *hold, asks=hold[0] == "pause"), _form(shown, "trigger", "Make a job now"))


def _form(shown: Mapping[str, Json], action: str, name: str, *, asks: bool = False) -> Markup:
    reason = element("input", name="reason", placeholder="why", aria_label=f"reason to {action}", size="28")
    address = f"{_HERE}/{shown['blueprint']}/{shown['name']}/{action}"
    return element(
        "form", element("button", name), reason if asks else None, method="post", action=address, class_="act"
    )
