from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.core.messages import OperatorEvent, PauseRequested, ReleaseRequested, RerunRequested, SkipRequested
from avtomat.settings import Settings
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

TOKEN = "c" * 43


@pytest.fixture
async def kept(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    site = await serve(FakeEngine(settings=Settings(client_token=TOKEN, worker_token="w" * 43)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVTOMAT_URL", site.url)
    monkeypatch.setenv("AVTOMAT_CLIENT_TOKEN", TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    await site.post("/api/v1/jobs/slow", json=[{"input": {"n": n}} for n in range(3)], headers=headers)
    return site


async def avtomat(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


async def test_jobs_are_listed(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "list", "--status", "waiting_for_worker", "--limit", "2") == 0

    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.split() == ["JOB", "STATUS", "BLUEPRINT", "STATE", "CREATED"]
    assert [row.split()[:3] for row in rows] == [[f"job{n}", "waiting_for_worker", "slow"] for n in range(2)]


async def test_a_list_is_followed_over_its_pages(
    kept: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avtomat.cli.jobs._PAGE", 1)
    assert await avtomat("jobs", "list", "-o", "json") == 0

    assert [job["id"] for job in json.loads(capsys.readouterr().out)["jobs"]] == ["job0", "job1", "job2"]


async def test_a_job_is_shown_with_who_works_on_it(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "show", "job1") == 0

    shown = capsys.readouterr().out
    assert 'input        {"n": 1}' in shown
    assert "greet attempt 1 leased by w1" in shown


async def test_a_failed_job_is_shown_with_exit_code_1(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept.engine.clients.jobs_by_id["job1"]["status"] = "failed"

    assert await avtomat("jobs", "show", "job1", "-o", "json") == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


async def test_history_is_shown_in_order(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "history", "job1") == 0

    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[3] for row in rows] == ["JobCreated", "TaskSucceeded"]


async def test_a_job_is_cancelled(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "cancel", "job1", "--reason", "enough") == 0

    assert capsys.readouterr().out == "job1 cancelled\n"
    assert kept.engine.clients.jobs_by_id["job1"]["error"]["message"] == "admin: enough"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nobody"), 3, "there is no job 'nobody'"),
        (("list", "--token", "wrong"), 4, "the token is wrong"),
        (("list", "--url", "http://127.0.0.1:1"), 5, "no engine answers at http://127.0.0.1:1"),
        (("list", "--url", "ftp://x"), 2, "is no address of an engine"),
        (("list", "--url", "http://127.0.0.1:99999"), 2, "is no address of an engine"),
        (("list", "--url", "http://[::1"), 2, "is no address of an engine"),
        (("list", "--status", "faild"), 2, "did you mean failed?"),
    ],
)
async def test_what_goes_wrong_has_its_exit_code(
    kept: Site, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert await avtomat("jobs", *arguments) == code

    assert words in capsys.readouterr().err


async def test_the_causes_are_shown_with_what_to_do(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "why", "job1") == 0

    assert "greet: no_worker: no worker does greet\n    hint: start a worker" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        (("pause", "job1", "--reason", "stocktaking"), PauseRequested(by="admin", reason="stocktaking")),
        (("retry", "job1"), ReleaseRequested(by="admin")),
        (("release", "job1", "--data", '{"n": 1}'), ReleaseRequested(by="admin", data={"n": 1})),
        (("skip", "job1", "--output", "[1]"), SkipRequested(by="admin", output=[1])),
        (("rerun", "job1", "--state", "a", "--data", "{}"), RerunRequested(by="admin", state="a", data={})),
    ],
)
async def test_a_wish_of_an_operator_is_passed_on(
    kept: Site, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], event: OperatorEvent
) -> None:
    assert await avtomat("jobs", *arguments) == 0

    assert kept.engine.operators.wishes == [event]
    assert capsys.readouterr().out == "job1 waiting_for_worker\n"


async def test_a_wish_that_makes_no_sense_is_told_with_what_is_possible(
    kept: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await avtomat("jobs", "resume", "job1") == 1

    told = capsys.readouterr().err
    assert "the job is not paused" in told
    assert "hint: " in told


async def test_a_cancel_without_compensation_is_passed_on(kept: Site) -> None:
    assert await avtomat("jobs", "cancel", "job1", "--no-compensate") == 0

    assert kept.engine.operators.compensates == [False]


async def test_a_rerun_of_an_ended_job_tells_the_new_one(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    await avtomat("jobs", "cancel", "job1")
    capsys.readouterr()

    assert await avtomat("jobs", "rerun", "job1") == 0
    assert capsys.readouterr().out == "job9 pending (a rerun of job1)\n"


async def test_a_terminal_obeys_nothing_that_a_client_wrote(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"input": {"n": "\x1b[31m\x9b2J\u2028\u00e9"}}
    job = (await kept.post("/api/v1/jobs/slow", json=body, headers=headers)).json["job_id"]

    assert await avtomat("jobs", "show", job) == 0

    shown = capsys.readouterr().out
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert "\\x9b2J\\u2028\u00e9" in shown
