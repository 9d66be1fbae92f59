"""The engine's numbers are at /metrics, without a label that grows with what is running."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from avtomat.api.app import App
from avtomat.api.http.server import listen
from avtomat.api.public.engine_metrics import KINDS_SHOWN_MAX, OTHER_KINDS, EngineMetrics, queued_by_kind
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site

GREET = "avtomat: 1\nblueprint: greet\nstates:\n  say: {task: say, next: end}\n"


async def test_the_engines_numbers_are_among_the_metrics(tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text(GREET)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    job = await engine.clients.submit(Submission(blueprint="greet", input={}, client="somebody"))
    await engine.measures.sample()
    metrics = EngineMetrics(engine.measures, engine.blueprint_counts, engine.store.trouble, engine.trust)
    listener = await listen(App(engine, [metrics]), host="127.0.0.1", port=0, drain_s=1)
    async with aiohttp.ClientSession() as http:
        text = (await Site(engine, listener.port, http).get("/metrics")).raw.decode()
    await listener.close()
    await engine.stop()

    lines = set(text.splitlines())
    assert {
        'avtomat_jobs_open{status="open"} 1.0',
        'avtomat_jobs_open{status="paused"} 0.0',
        'avtomat_tasks_queued{kind="say"} 1.0',
        "avtomat_leases 0.0",
        "avtomat_due_lag_seconds 0.0",
        "avtomat_history_pending 0.0",
        "avtomat_store_available 1.0",
        "avtomat_polls_waiting 0.0",
        "avtomat_jobs_created_total 1.0",
        "avtomat_decisions_total 1.0",
        "avtomat_conflicts_total 0.0",
        "avtomat_tasks_handed_out_total 0.0",
    } <= lines
    assert job.job_id not in text
    assert "somebody" not in text


def test_queues_of_one_kind_are_one_line_and_rare_kinds_are_together() -> None:
    queues = {f"queue:kind{number}": 10 for number in range(KINDS_SHOWN_MAX - 1)}
    queues |= {"queue:busy": 20, "queue:busy#ab12": 5, "queue:rare": 1, "queue:rarer": 1, "open": 7}

    kinds = queued_by_kind(queues)

    assert len(kinds) == KINDS_SHOWN_MAX + 1
    assert (kinds["busy"], kinds[OTHER_KINDS]) == (25, 2)
