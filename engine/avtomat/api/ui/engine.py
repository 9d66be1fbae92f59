"""The pages of what is there beside jobs: blueprints, workers, queues, and the engine itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Final
from urllib.parse import urlencode

from avtomat.api.clients.jobs import may_see, refuse_blueprint
from avtomat.api.http.answer import Answer
from avtomat.api.http.requests import Request
from avtomat.api.ui.door import PageRoute, html_answer
from avtomat.api.ui.frame import link, page, table, value_view
from avtomat.api.ui.markup import Child, Markup, element, joined
from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms
from avtomat.errors import RequestRefused
from avtomat.graph.model import final_graph_of, graph_of
from avtomat.graph.svg import svg_of
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.repeating import repeat
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.work.seats import kinds_of
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store

KINDS_SHOWN_MAX: Final = 12
WORKERS_SHOWN_MAX: Final = 1_000

Readiness = Callable[[], tuple[bool, Mapping[str, Json]]]
Problems = Callable[[], Sequence[Json]]


class EnginePages:
    """The pages of blueprints, workers, queues and the engine."""

    def __init__(
        self,
        clients: ClientOperations,
        programs: Programs,
        store: Store,
        trust: Trust,
        readiness: Readiness,
        problems: Problems,
        *,
        can_leave: bool,
    ) -> None:
        self._clients = clients
        self._programs = programs
        self._store = store
        self._trust = trust
        self._readiness = readiness
        self._problems = problems
        self._can_leave = can_leave

    def routes_of_blueprints(self) -> Sequence[PageRoute]:
        """Those that clients may see as well."""
        return (("GET", "/ui/blueprints", self.blueprints), ("GET", "/ui/blueprints/{name}", self.blueprint))

    def routes(self) -> Sequence[PageRoute]:
        """Those of what belongs to no client."""
        return (
            ("GET", "/ui/workers", self.workers),
            ("GET", "/ui/queues", self.queues),
            ("GET", "/ui/engine", self.engine),
        )

    async def blueprints(self, request: Request) -> Answer:
        """All that are in use, and what is wrong with newer files."""
        rows: list[tuple[Child, ...]] = [
            (
                link(each["name"], "blueprints", each["name"]),
                each["title"] or each["description"],
                each["label"],
                element("code", each["version"][:12], title=each["version"]),
                each["owner"],
                link("jobs", "jobs", query="?" + urlencode({"blueprint": each["name"]})),
            )
            for each in self._clients.blueprints()
            if may_see(request.caller, each["name"])
        ]
        empty = joined("There is no blueprint yet. Write one: ", element("code", "avtomat init shop"))
        heads = ("Name", "What it is", "Label", "Version", "Owner", "")
        problems = self._problems() if request.caller.reads is None else ()
        wrong = [
            element("h2", "Files that are not in use"),
            value_view("problems", problems, "/api/v1/blueprints", opened=True),
        ]
        content = (element("h1", "Blueprints"), table(heads, rows, empty), *(wrong if problems else ()))
        return self._page(request, "Blueprints", *content, here="/ui/blueprints")

    async def blueprint(self, request: Request) -> Answer:
        """One of them: its graph, its input and its definition."""
        name = request.parts["name"]
        if not may_see(request.caller, name):
            refuse_blueprint(request.caller, name)
        shown, program = self._clients.blueprint(name), self._programs.current.get(name)
        if shown is None or program is None:
            raise RequestRefused(f"there is no blueprint {name[:80]!r}", status=404, code="blueprint.not_found")
        last, whole = final_graph_of(program), f"/api/v1/blueprints/{name}"
        content: tuple[Child, ...] = (
            element("p", link("Blueprints", "blueprints"), class_="lead"),
            element("h1", name),
            element("p", shown["description"] or shown["title"] or "", class_="lead"),
            element("p", link("Its jobs", "jobs", query="?" + urlencode({"blueprint": name}))),
            element("div", Markup(svg_of(graph_of(program), title=name)), class_="picture", tabindex="0"),
            None if last is None else element("h2", "finally"),
            None if last is None else element("div", Markup(svg_of(last)), class_="picture"),
            element("h2", "Definition"),
            value_view("input", shown["input"], whole),
            value_view("definition", shown["definition"], whole),
        )
        return self._page(request, name, *content, here="/ui/blueprints")

    async def workers(self, request: Request) -> Answer:
        """Those that are registered."""
        records = {name: loads(record) for name, record in (await repeat(self._store.workers)).items()}
        rows: list[tuple[Child, ...]] = [
            (
                name,
                record.get("worker_type"),
                _listed(kinds_of(record)),
                _usage(record),
                _regard(self._trust.reputations.shown(name)),
            )
            for name, record in sorted(records.items())[:WORKERS_SHOWN_MAX]
        ]
        empty = joined("No worker is registered. Start one: ", element("code", "avtomat worker --exec KIND='sh do.sh'"))
        lead = element("p", f"{len(records)} registered", class_="lead")
        content = (
            element("h1", "Workers"),
            lead,
            table(("Worker", "Type", "Takes", "Works on", "Reputation"), rows, empty),
        )
        return self._page(request, "Workers", *content, here="/ui/workers", live=True)

    async def queues(self, request: Request) -> Answer:
        """What waits for workers, the longest queue first."""
        counts = await repeat(self._store.counts)
        depths = {name.removeprefix("queue:"): count for name, count in counts.items() if name.startswith("queue:")}
        rows: list[tuple[Child, ...]] = [
            (
                name.partition("#")[0],
                "asks something of workers" if "#" in name else "",
                count,
                self._breaker(name.partition("#")[0]),
            )
            for name, count in sorted(depths.items(), key=lambda each: -each[1])
            if count
        ]
        lead = element(
            "p", f"{sum(depths.values())} tasks wait for workers, {counts['leases']} are worked on", class_="lead"
        )
        content = (
            element("h1", "Queues"),
            lead,
            table(("Kind of task", "", "Waiting", "Breaker"), rows, "Nothing waits."),
        )
        return self._page(request, "Queues", *content, here="/ui/queues", live=True)

    async def engine(self, request: Request) -> Answer:
        """How this replica is."""
        ready, facts = self._readiness()
        numbers = await repeat(self._store.counts)
        counts = [(name, count) for name, count in numbers.items() if not name.startswith("queue:")]
        content = (
            element("h1", "Engine"),
            element("p", "It is ready." if ready else "It is not ready.", class_="lead"),
            table(("", ""), [*counts], ""),
            value_view("readiness", facts, "/readyz", opened=True),
            element("p", f"Avtomat {version('avtomat')} · ", element("a", "API", href="/docs"), class_="hint"),
        )
        return self._page(request, "Engine", *content, here="/ui/engine", live=True)

    def _breaker(self, kind: str) -> str:
        breaker = self._trust.breakers.of(kind)
        return "" if breaker is None else f"{breaker.state} since {format_time(from_ms(breaker.since_ms))}"

    def _page(self, request: Request, title: str, *content: Child, here: str, live: bool = False) -> Answer:
        sees_all, leaves = request.caller.reads is None, request.caller.name if self._can_leave else None
        return html_answer(page(title, *content, here=here, live=live, sees_all=sees_all, leaves=leaves))


def _listed(kinds: Sequence[str]) -> str:
    shown = ", ".join(kinds[:KINDS_SHOWN_MAX])
    return shown + (f" and {len(kinds) - KINDS_SHOWN_MAX} more" if len(kinds) > KINDS_SHOWN_MAX else "")


def _usage(record: Mapping[str, Json]) -> str:
    tasks = record.get("current_tasks")
    return f"{len(tasks)} tasks" if isinstance(tasks, list) and tasks else ""


def _regard(shown: Mapping[str, Json]) -> Child:
    """The worker's reputation; its newest faults as the title."""
    text = f"{shown['reputation']:.3f}" + (", on probation" if shown["probation"] else "")
    faults = "; ".join(f"{fault['at']} {fault['fault']} {fault['kind']}" for fault in shown["faults"])
    return element("span", text, title=faults) if faults else text
