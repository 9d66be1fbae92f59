"""Workers, reputation and breakers by the doors of the real engine: API, command line, pages, metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from avtomat.api.public.engine_metrics import EngineMetrics
from avtomat.api.public.metrics import Metrics
from avtomat.cli.main import main
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

TEXT = "avtomat: 1\nblueprint: pay\nstates: {a: {task: charge, retry: none, next: end}}\n"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    (tmp_path / "pay.yaml").write_text(TEXT)
    kept = {"breaker_rate": 50, "breaker_attempts_min": 6, "probation_below": 80}
    engine = Service(Settings(store="memory:", blueprints=tmp_path, **kept))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AVTOMAT_URL", site.url)
        yield site
    await engine.stop()


async def lose(site: Site, times: int = 6) -> None:
    """The worker w1 gives up so many attempts."""
    registration = {"worker_id": "w1", "worker_type": "till", "supported_skills": [{"name": "charge"}]}
    assert (await site.post("/_worker/workers/register", json=registration)).status == 200
    for _ in range(times):
        await site.post("/api/v1/blueprints/pay/jobs", json={})
        task = (await site.get("/_worker/workers/w1/tasks/next?timeout=5&available_skills=charge")).json
        body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1", "status": "cancelled"}
        assert (await site.post("/_worker/tasks/result", json=body)).json == {"status": "accepted"}
    await site.engine.trust.reputations.keep()
    await site.engine.trust.breakers.keep()


async def avtomat(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


async def test_workers_are_shown_with_what_they_spoiled(site: Site) -> None:
    await lose(site)

    found = (await site.get("/api/v1/workers")).json
    one = (await site.get("/api/v1/workers/w1")).json

    assert found == {"workers": [one], "complete": True}
    assert (one["worker"], one["type"], one["kinds"], one["registered"]) == ("w1", "till", ["charge"], True)
    assert (one["reputation"], one["probation"], len(one["faults"])) == (0.769, True, 6)
    missing = await site.get("/api/v1/workers/w9")
    assert (missing.status, missing.json["code"]) == (404, "worker.not_found")


async def test_breakers_are_shown_and_reset(site: Site) -> None:
    assert (await site.get("/api/v1/breakers")).json == {"enabled": True, "breakers": []}
    await lose(site)

    [breaker] = (await site.get("/api/v1/breakers")).json["breakers"]
    assert (breaker["kind"], breaker["state"], breaker["probe"]) == ("charge", "open", None)
    assert breaker["next_probe_at"] > breaker["since"]
    assert [change["state"] for change in breaker["changes"]] == ["opened"]
    told = await site.post("/api/v1/breakers/charge/reset", json={})
    assert (told.status, told.json["state"]) == (200, "closed")
    assert (await site.post("/api/v1/breakers/refund/reset")).status == 404
    assert (await site.post("/api/v1/breakers/charge/reset", json={"open": True})).status == 422


async def test_nobody_sets_a_reputation_by_the_api(site: Site) -> None:
    await lose(site)
    for method in ("post", "put", "patch", "delete"):
        answer = await site.ask(method.upper(), "/api/v1/workers/w1", json={"reputation": 1})
        assert answer.status == 405


async def test_the_commands_show_workers_and_breakers(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    await lose(site)

    assert await avtomat("workers", "list") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["w1", "0.769", "on", "probation", "charge"]
    assert await avtomat("workers", "show", "w1") == 0
    shown = capsys.readouterr().out
    assert "reputation   0.769 on probation" in shown
    assert shown.count(" lost charge ") == 6
    assert await avtomat("workers", "show", "w1", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["worker"] == "w1"
    assert await avtomat("workers", "show", "w9") == 3

    assert await avtomat("breakers", "list") == 0
    assert "next probe at" in capsys.readouterr().out
    assert await avtomat("breakers", "reset", "charge") == 0
    assert capsys.readouterr().out == "charge closed\n"
    assert await avtomat("breakers", "reset", "refund") == 3


async def test_the_pages_show_both(site: Site) -> None:
    await lose(site)

    assert b"0.769" in (await site.get("/ui/workers")).raw
    await site.post("/api/v1/blueprints/pay/jobs", json={})
    assert b"open since" in (await site.get("/ui/queues")).raw


async def test_metrics_count_what_is_shut_and_who_is_on_probation(site: Site) -> None:
    await lose(site)
    engine = site.engine

    text = Metrics(
        [EngineMetrics(engine.measures, engine.blueprint_counts, engine.store.trouble, engine.trust)]
    ).text().decode()  # fmt: skip

    assert 'avtomat_breakers{state="open"} 1.0' in text
    assert 'avtomat_breaker_changes_total{outcome="opened"} 1.0' in text
    assert "avtomat_workers_on_probation 1.0" in text
