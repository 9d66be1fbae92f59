from __future__ import annotations

import asyncio
import json
from datetime import timedelta
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

    heads, *rows, more = capsys.readouterr().out.splitlines()
    assert heads.split() == ["JOB", "STATUS", "BLUEPRINT", "STATE", "ERROR", "CREATED"]
    assert [row.split()[:3] for row in rows] == [[f"job{n}", "waiting_for_worker", "slow"] for n in range(2)]
    assert more == "there are more; --limit 4 shows them"


async def test_a_list_that_is_whole_does_not_say_that_there_is_more(
    kept: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await avtomat("jobs", "list", "--limit", "3") == 0

    assert "there are more" not in capsys.readouterr().out


async def test_a_list_shows_why_jobs_failed(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept.engine.clients.jobs_by_id["job1"]["error_code"] = "CARD_DECLINED"

    assert await avtomat("jobs", "list") == 0

    assert capsys.readouterr().out.splitlines()[2].split()[4] == "CARD_DECLINED"


async def test_a_list_is_followed_over_its_pages(
    kept: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avtomat.cli.jobs.reading.PAGE", 1)
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
    assert [row.split(maxsplit=3)[3] for row in rows] == ["job created", "attempt 0 done"]


async def test_flags_may_stand_anywhere(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("-o", "json", "jobs", "list"), ("jobs", "-o", "json", "list"), ("jobs", "list", "-o", "json")):
        assert await avtomat(*arguments) == 0
        assert len(json.loads(capsys.readouterr().out)["jobs"]) == 3


async def test_a_job_is_submitted(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--input", '{"n": 7}', "--key", "k1", "--label", "team=a=b", "--priority", "3", "--timeout", "90s")
    assert await avtomat("jobs", "submit", "slow", *more) == 0

    assert capsys.readouterr().out == "job3\n"
    asked = kept.engine.clients.submitted[-1]
    assert (asked.blueprint, asked.input, asked.key) == ("slow", {"n": 7}, "k1")
    assert (asked.labels, asked.priority, asked.timeout) == ({"team": "a=b"}, 3, timedelta(seconds=90))


async def test_a_job_is_waited_for(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept.engine.clients.jobs_by_id["job1"]["status"] = "failed"
    kept.engine.clients.jobs_by_id["job2"]["status"] = "finished"

    assert await avtomat("jobs", "wait", "job2") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "job2"
    assert await avtomat("jobs", "wait", "job1") == 1
    assert await avtomat("jobs", "wait", "job0", "--timeout", "0s") == 124


async def test_a_job_is_followed_to_its_end(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept.engine.clients.jobs_by_id["job1"]["status"] = "finished"

    assert await avtomat("jobs", "follow", "job1") == 0

    told = capsys.readouterr()
    assert "attempt 0 done" in told.err
    assert json.loads(told.out)["status"] == "finished"


async def test_the_tasks_of_a_job_are_shown(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("jobs", "tasks", "job1") == 0

    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[:4] == ["greet", "1", "leased", "w1"]


async def test_a_job_is_found_by_the_first_characters_of_its_id(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = kept.engine.clients.jobs_by_id
    for number, name in enumerate(("00abcd1", "00abce2")):
        jobs[name] = {**jobs[f"job{number}"], "id": name}

    assert await avtomat("jobs", "show", "00abcd") == 0
    assert "00abcd1" in capsys.readouterr().out
    assert await avtomat("jobs", "show", "00abc") == 2
    assert "00abcd1, 00abce2" in capsys.readouterr().err
    assert await avtomat("jobs", "show", "00ff") == 3
    assert await avtomat("jobs", "show", "00a") == 2


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
        (("list", "--url", "ftp://x"), 2, "is not an address of an engine"),
        (("list", "--url", "http://127.0.0.1:99999"), 2, "is not an address of an engine"),
        (("list", "--url", "http://[::1"), 2, "is not an address of an engine"),
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

    assert kept.engine.operators.requests == [event]
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


async def test_blueprints_are_listed_and_restored(kept: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("blueprints", "list") == 0
    assert await avtomat("blueprints", "restore", "hello", "0123456789ab") == 0
    assert await avtomat("blueprints", "restore", "hello", "abc") == 2

    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["hello  d1", "hello  d1 is current"]
    assert "'abc' is not a version: that is 8 to 64 of the digits 0-9 and a-f" in printed.err
