"""Parents and children over HTTP, on pages and on the command line, over the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.cli.main import main
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

HIRE = "states: {all: {foreach: '{{ range(input.n) }}', do: {run: account, input: {n: '{{ item }}'}}}}"
ACCOUNT = "states: {make: {task: make, params: {n: '{{ input.n }}'}}}"
PLAIN = "states: {make: {task: make}}"
TOKEN = "c" * 43


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    for name, text in {"hire": HIRE, "account": ACCOUNT, "plain": PLAIN}.items():
        (tmp_path / f"{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}\n")
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as served:
        monkeypatch.setenv("AVTOMAT_URL", served.url)
        monkeypatch.chdir(tmp_path)
        yield served
    await engine.stop()


async def family(site: Site, count: int) -> tuple[str, list[dict[str, Any]]]:
    """A job with so many children, once they are there; the newest first."""
    job = (await site.post("/api/v1/blueprints/hire/jobs", json={"input": {"n": count}})).json["job_id"]
    async with asyncio.timeout(30):
        while True:
            found = (await site.get(f"/api/v1/jobs/{job}/children?limit=200")).json["jobs"]
            if len(found) == count:
                return job, found
            await asyncio.sleep(0)


async def test_a_job_shows_its_newest_children_and_where_the_others_are(site: Site) -> None:
    job, all_of_them = await family(site, 25)

    shown = (await site.get(f"/api/v1/jobs/{job}")).json["children"]

    assert shown["jobs"] == all_of_them[:20]
    rest = await site.get(f"/api/v1/jobs/{job}/children?cursor={shown['next_cursor']}")
    assert rest.json == {"jobs": all_of_them[20:], "next_cursor": None}


async def test_a_child_names_its_parent(site: Site) -> None:
    job, [child] = await family(site, 1)

    found = (await site.get(f"/api/v1/jobs/{child['id']}")).json

    assert (child["parent_id"], found["parent_id"]) == (job, job)
    assert "children" not in found
    [created, *_] = (await site.get(f"/api/v1/jobs/{child['id']}/history")).json["history"]
    assert created["parent_id"] == job


async def test_lists_are_of_all_jobs_of_a_parent_or_of_those_without_one(site: Site) -> None:
    job, children = await family(site, 3)
    plain = (await site.post("/api/v1/blueprints/plain/jobs", json={})).json["job_id"]

    async def listed(query: str) -> list[str]:
        return sorted(each["id"] for each in (await site.get(f"/api/v1/jobs?{query}")).json["jobs"])

    ids = sorted(child["id"] for child in children)
    assert await listed("") == sorted([job, plain, *ids])
    assert await listed("parent=none") == sorted([job, plain])
    assert await listed(f"parent={job}") == ids
    assert await listed(f"parent={job}&status=waiting_for_worker&blueprint=account") == ids
    assert await listed(f"parent={plain}") == []


async def test_children_of_a_job_that_is_not_there_are_404(site: Site) -> None:
    assert (await site.get("/api/v1/jobs/00nothing/children")).status == 404
    assert (await site.get("/api/v1/jobs/00nothing/children?parent=x")).status == 422


async def test_a_task_that_is_a_child_names_it(site: Site) -> None:
    job, [child] = await family(site, 1)

    [task] = (await site.get(f"/api/v1/jobs/{job}/tasks")).json["tasks"]

    assert (task["kind"], task["phase"], task["worker"]) == ("avtomat.run", "child", child["id"])


async def test_why_follows_the_child(site: Site) -> None:
    job, [child] = await family(site, 1)

    causes = (await site.get(f"/api/v1/jobs/{job}/why")).json["causes"]

    assert [(each.get("job"), each["cause"]) for each in causes] == [
        (None, "branches"),
        (None, "child"),
        (child["id"], "no_worker"),
    ]


async def test_pages_link_parents_and_children(site: Site) -> None:
    job, [child] = await family(site, 1)

    own = (await site.get(f"/ui/jobs/{job}")).raw.decode()
    its = (await site.get(f"/ui/jobs/{child['id']}")).raw.decode()
    without, with_children = [
        (await site.get(f"/ui/jobs{query}")).raw.decode() for query in ("", "?parent=with+children")
    ]
    of_job = (await site.get(f"/ui/jobs?parent={job}")).raw.decode()

    assert f'href="/ui/jobs/{child["id"]}"' in own
    assert "<h2>Children</h2>" in own
    assert f'child of <a href="/ui/jobs/{job}"' in its
    assert (child["id"] in without, child["id"] in with_children, child["id"] in of_job) == (False, True, True)
    assert (job in without, job in with_children) == (True, True)


async def test_the_command_line_shows_children(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    job, [child] = await family(site, 1)

    async def told(*arguments: str) -> str:
        assert await asyncio.to_thread(main, ["jobs", *arguments]) == 0
        return capsys.readouterr().out

    assert f"child        {child['id']} account waiting_for_worker" in await told("show", job)
    assert f"parent       {job}" in await told("show", child["id"])
    assert [line.split()[0] for line in (await told("list", "--parent", job)).splitlines()[1:]] == [child["id"]]
    assert [line.split()[0] for line in (await told("list", "--parent", "none")).splitlines()[1:]] == [job]
    assert f"  {child['id']} make: no_worker" in await told("why", job)
    assert f"runs account as the job {child['id']}" in await told("history", job)
