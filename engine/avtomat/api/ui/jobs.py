"""The pages of jobs: the list, what is broken by its cause, and one job with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from avtomat.api.clients.jobs import found, may_see
from avtomat.api.http.answer import Answer
from avtomat.api.http.auth import Caller
from avtomat.api.http.requests import Request
from avtomat.api.ui.acting import Rights, actions_view
from avtomat.api.ui.door import PageRoute, html_answer, redirect
from avtomat.api.ui.frame import ago, link, page, status_badge, table, value_view
from avtomat.api.ui.markup import Child, Markup, element, joined
from avtomat.api.ui.way import Course, bars_view
from avtomat.core.formula import Json
from avtomat.core.model import ENDED
from avtomat.graph.model import final_graph_of, graph_of
from avtomat.graph.svg import svg_of
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.clients import STATUS_WORDS, ClientOperations
from avtomat.runtime.people.narration import Narrator
from avtomat.runtime.people.why import Explainer
from avtomat.storage.port.answers import Query

PAGE: Final = 50
GROUPED_MAX: Final = 200
ENTRIES_MAX: Final = 1_000
ENTRIES_SHOWN: Final = 200


class JobPages:
    """The pages below /ui/jobs, and /ui/incidents."""

    def __init__(
        self,
        clients: ClientOperations,
        explainer: Explainer,
        programs: Programs,
        rights: Rights,
        *,
        can_leave: bool,
    ) -> None:
        self._rights = rights
        self._clients = clients
        self._explainer = explainer
        self._programs = programs
        self._can_leave = can_leave

    def routes(self) -> Sequence[PageRoute]:
        """All of them."""
        return (
            ("GET", "/ui/jobs", self.list),
            ("GET", "/ui/incidents", self.incidents),
            ("GET", "/ui/jobs/{job}", self.show),
        )

    async def list(self, request: Request) -> Answer:
        """A page of jobs; the address holds the filters."""
        asked = request.rel_url.query
        if asked.get("id"):
            return redirect(f"/ui/jobs/{asked['id'].strip()}")
        status, blueprint = asked.get("status") or None, asked.get("blueprint") or None
        status = status if status in STATUS_WORDS else None
        query = Query(client=request.caller.reads, blueprint=blueprint, limit=PAGE, cursor=asked.get("cursor"))
        jobs, cursor = await self._clients.jobs(query, status)
        filters = {key: text for key, text in (("status", status), ("blueprint", blueprint)) if text}
        more = None
        if cursor is not None:
            more = element("p", element("a", "Older jobs", href="?" + urlencode({**filters, "cursor": cursor})))
        empty = joined("No job fits. Submit one: ", element("code", "avtomat jobs submit NAME --input '{}'"))
        rows = [_row(job) for job in jobs]
        heads = ("Status", "Job", "Blueprint", "State", "Error", "Started", "Changed")
        content = (element("h1", "Jobs"), self._filters(request.caller, filters), table(heads, rows, empty), more)
        live = "cursor" not in asked
        return self._page(request, "Jobs", *content, here="/ui/jobs", live=live)

    def _filters(self, caller: Caller, chosen: Mapping[str, str]) -> Markup:
        names = [each["name"] for each in self._clients.blueprints() if may_see(caller, each["name"])]
        return element(
            "form",
            _choice("status", "any status", sorted(STATUS_WORDS), chosen.get("status")),
            _choice("blueprint", "any blueprint", names, chosen.get("blueprint")),
            element("button", "Filter"),
            method="get",
            class_="act",
        )

    async def incidents(self, request: Request) -> Answer:
        """Jobs that are parked or have failed, by blueprint and error: of each status the newest 200."""
        groups: dict[tuple[str, str, str], list[Mapping[str, Json]]] = {}
        for status in ("quarantined", "failed"):
            query = Query(client=request.caller.reads, limit=GROUPED_MAX)
            jobs, _ = await self._clients.jobs(query, status)
            for job in jobs:
                groups.setdefault((status, job["blueprint"], job["error_code"] or "–"), []).append(job)
        rows = [_incident(key, jobs) for key, jobs in sorted(groups.items(), key=lambda each: -len(each[1]))]
        parked = sum(len(jobs) for (status, _, _), jobs in groups.items() if status == "quarantined")
        lead = f"{parked} parked for an operator" if parked else "Nothing is parked."
        heads = ("Status", "Blueprint", "Error", "Jobs", "Newest")
        content = (element("h1", "Incidents"), element("p", lead, class_="lead"), table(heads, rows, "All is well."))
        return self._page(request, "Incidents", *content, here="/ui/incidents", live=True)

    async def show(self, request: Request) -> Answer:
        """One job: where it stands and why, its way, what may be done, its data and its history."""
        job_id, client = request.parts["job"], request.caller.reads
        job = found(await self._clients.job(job_id, client), job_id)
        entries = found(await self._clients.history(job_id, client, 0, ENTRIES_MAX), job_id)
        why = found(await self._explainer.why(job_id, client), job_id)
        program = await self._programs.by_digest(job["version"])
        course = Course(entries)
        picture = svg_of(graph_of(program), course.marks, title=program.name)
        last = final_graph_of(program)
        ended = job["status"] in ENDED
        whole = f"/api/v1/jobs/{job_id}"
        pictures = (
            element("div", Markup(picture), class_="picture", tabindex="0"),
            element("div", bars_view(course.bars, course.last_s), class_="picture", tabindex="0"),
        )
        final = None if last is None else Markup(svg_of(last, course.marks))
        content = (
            element("p", link("Jobs", "jobs"), f" › {job_id}", class_="lead"),
            element("h1", status_badge(job["status"]), " ", link(job["blueprint"], "blueprints", job["blueprint"])),
            _lead(job),
            _why_view(why["causes"], job["status"]),
            actions_view(job, program, why["causes"], lambda action: self._may(request, action)),
            element("div", *pictures, class_="columns"),
            None if final is None else element("details", element("summary", "finally"), final),
            element("h2", "Data"),
            *(value_view(name, job[name], whole) for name in ("input", "data", "outputs")),
            value_view("error", job["error"], whole, opened=True) if job["error"] else None,
            value_view("result", job["result"], whole, opened=ended and job["result"] is not None) if ended else None,
            element("h2", "History"),
            _history_view(entries, job_id),
        )
        title = f"{job['blueprint']} {job['status']}"
        return self._page(request, title, *content, here="/ui/jobs", live=not ended)

    def _may(self, request: Request, action: str) -> bool:
        return not self._rights[action].isdisjoint(request.caller.scopes)

    def _page(self, request: Request, title: str, *content: Child, here: str, live: bool) -> Answer:
        sees_all, leaves = request.caller.reads is None, request.caller.name if self._can_leave else None
        return html_answer(page(title, *content, here=here, live=live, sees_all=sees_all, leaves=leaves))


def _row(job: Mapping[str, Json]) -> tuple[Child, ...]:
    return (
        status_badge(job["status"]),
        link(job["id"], "jobs", job["id"]),
        link(job["blueprint"], "blueprints", job["blueprint"]),
        job["state"],
        job["error_code"],
        ago(job["created_at"]),
        ago(job["updated_at"]),
    )


def _incident(key: tuple[str, str, str], jobs: Sequence[Mapping[str, Json]]) -> tuple[Child, ...]:
    status, blueprint, code = key
    query = "?" + urlencode({"status": status, "blueprint": blueprint})
    newest = jobs[0]
    return (
        status_badge(status),
        link(blueprint, "blueprints", blueprint),
        code,
        link(str(len(jobs)), "jobs", query=query),
        joined(link(newest["id"], "jobs", newest["id"]), " ", ago(newest["updated_at"])),
    )


def _choice(name: str, nothing: str, options: Sequence[str], chosen: str | None) -> Markup:
    shown = [element("option", nothing, value="")]
    shown += [element("option", each, value=each, selected=each == chosen) for each in options]
    return element("select", *shown, name=name, aria_label=name)


def _lead(job: Mapping[str, Json]) -> Markup:
    labels = ", ".join(f"{name}: {text}" for name, text in (job["labels"] or {}).items())
    facts: tuple[Child, ...] = (
        element("code", job["version"][:12], title=job["version"]),
        f" · in {job['state']}" if job["state"] else None,
        " · started ",
        ago(job["created_at"]),
        " · changed ",
        ago(job["updated_at"]),
        f" · {labels}" if labels else None,
    )
    return element("p", "version ", *facts, class_="lead")


def _why_view(causes: Sequence[Mapping[str, Json]], status: str) -> Markup:
    told = [
        element(
            "p",
            element("b", f"{cause['state']}: ") if cause.get("state") else None,
            cause["text"],
            element("br"),
            element("span", cause["hint"], class_="hint"),
        )
        for cause in causes
    ]
    return element(
        "section", *told, class_=f"why{' bad' if status in ('failed', 'quarantined') else ''}", aria_label="Why"
    )


def _history_view(entries: Sequence[Mapping[str, Json]], job_id: str) -> Markup:
    """What happened, in the words of the command line, the newest last."""
    narrator, rows = Narrator(), list[tuple[Child, ...]]()
    for entry in entries:
        for about, text, tone in narrator.tell(entry) or [narrator.untold(entry)]:
            said = element("span", text, class_=f"tone-{tone.name.lower()}")
            rows.append((entry["seq"], ago(entry["at"]), about, said))
    shown = rows[-ENTRIES_SHOWN:]
    left = f"The newest {len(shown)} lines of {len(rows)}. " if len(shown) < len(rows) else ""
    more = element("p", left, element("a", "All as JSON", href=f"/api/v1/jobs/{job_id}/history"), class_="hint")
    return joined(table(("#", "When", "State", "What happened"), shown, "Nothing yet."), more)
