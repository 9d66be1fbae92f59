"""Schedules over the doors: the API, the pages and the command, over the real engine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

REPORT = """\
avtomat: 1
blueprint: report
input: {type: object, required: [what], properties: {what: {type: string}}}
schedule:
  - {name: nightly, cron: '0 2 * * *', timezone: Europe/Berlin, input: {what: <b>all</b>}, jitter: 5m}
  - {name: leap, cron: '0 0 29 2 *', input: {what: leap}}
states:
  make: {task: make}
"""
ONE = "/api/v1/schedules/report/nightly"
PAGE = "/ui/schedules/report/nightly"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Service]:
    (tmp_path / "report.yaml").write_text(REPORT)
    (tmp_path / "other.yaml").write_text("avtomat: 1\nblueprint: other\nstates: {a: {succeed: 1}}\n")
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    await engine._schedules.look()
    yield engine
    await engine.stop()


@pytest.fixture
async def site(engine: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with site_of(engine) as site:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AVTOMAT_URL", site.url)
        yield site


async def avtomat(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


def own(site: Site) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{site.port}"}


# --- the API ----------------------------------------------------------------------------------------------------------


async def test_schedules_are_listed_with_their_next_times(site: Site) -> None:
    leap, nightly = (await site.get("/api/v1/schedules")).json["schedules"]

    assert (leap["blueprint"], leap["name"], nightly["name"]) == ("report", "leap", "nightly")
    assert nightly["cron"] == "0 2 * * *"
    assert (nightly["overlap"], nightly["catch_up"], nightly["jitter"]) == ("skip", "none", "5m")
    assert [time[5:10] for time in leap["next"]] == ["02-29"] * 10
    assert (nightly["paused"], nightly["runs"], nightly["open"], nightly["waiting"]) == (None, [], [], [])
    assert (await site.get(ONE)).json == nightly
    assert (await site.get("/api/v1/schedules?blueprint=other")).json == {"schedules": []}


async def test_a_schedule_has_the_members_that_the_page_shows(site: Site) -> None:
    page = (Path(__file__).parents[2] / "docs/http-api.md").read_text("utf-8")
    [shown] = [json.loads(each) for each in re.findall(r"```\n(\{.*?)```", page, re.DOTALL) if '"catch_up"' in each]
    await site.post(ONE + "/trigger")
    real = (await site.get(ONE)).json

    assert list(real) == list(shown)
    assert list(real["runs"][0]) == list(shown["runs"][0])


async def test_a_schedule_is_paused_and_goes_on(site: Site) -> None:
    paused = (await site.post(ONE + "/pause", json={"reason": "stocktaking"})).json
    again = await site.post(ONE + "/pause", json={"reason": "other"})
    assert (paused["paused"]["reason"], again.status) == ("stocktaking", 200)
    assert again.json["paused"] == paused["paused"]

    assert (await site.post(ONE + "/resume")).json["paused"] is None
    assert (await site.post(ONE + "/resume")).status == 200


async def test_a_job_by_hand_says_which_schedule_made_it(site: Site) -> None:
    first = await site.post(ONE + "/trigger", headers={"Idempotency-Key": "k"})
    again = await site.post(ONE + "/trigger", headers={"Idempotency-Key": "k"})

    job = first.json["job_id"]
    assert (first.status, first.headers["Location"]) == (202, f"/api/v1/jobs/{job}")
    assert (again.json["job_id"], again.headers["Idempotency-Replayed"]) == (job, "true")
    shown = (await site.get(f"/api/v1/jobs/{job}")).json
    assert (shown["input"], shown["labels"]["schedule"]) == ({"what": "<b>all</b>"}, "nightly")
    why = (await site.get(f"/api/v1/jobs/{job}/why")).json
    assert why["schedule"] == {"name": "report/nightly", "scheduled_for": shown["labels"]["scheduled_for"]}
    (run,) = (await site.get(ONE)).json["runs"]
    assert (run["outcome"], run["job_id"]) == ("started", job)
    assert run["by"]


@pytest.mark.parametrize(
    ("method", "address", "body", "status", "code"),
    [
        ("GET", "/api/v1/schedules/report/nightlly", None, 404, "schedule.not_found"),
        ("POST", "/api/v1/schedules/other/nightly/pause", {}, 404, "schedule.not_found"),
        ("POST", ONE + "/pause", {"why": "x"}, 422, "request.invalid"),
        ("POST", ONE + "/pause", {"reason": 7}, 422, "request.invalid"),
        ("POST", ONE + "/trigger", {"input": {}}, 422, "request.invalid"),
        ("GET", "/api/v1/schedules?blue=other", None, 422, "request.parameter"),
        ("GET", ONE + "?n=5", None, 422, "request.parameter"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    site: Site, method: str, address: str, body: object, status: int, code: str
) -> None:
    answer = await (site.get(address) if method == "GET" else site.post(address, json=body))
    assert (answer.status, answer.json["code"]) == (status, code)


# --- pages ------------------------------------------------------------------------------------------------------------


async def test_the_pages_show_the_next_times_and_what_may_be_done(site: Site) -> None:
    job = (await site.post(ONE + "/trigger")).json["job_id"]
    listed = (await site.get("/ui/schedules")).raw.decode()
    page = (await site.get(PAGE)).raw.decode()

    assert f'href="{PAGE}"' in listed
    assert f'href="/ui/jobs/{job}"' in listed
    assert page.count("02:00 CE") == 10
    assert f'href="/ui/jobs/{job}"' in page
    assert "<b>all</b>" not in page
    assert "made by the schedule nightly" in (await site.get(f"/ui/jobs/{job}")).raw.decode()


async def test_a_form_pauses_a_schedule_lets_it_go_on_and_makes_a_job(site: Site) -> None:
    sent = await site.post(PAGE + "/pause", data={"reason": "a <i>"}, headers=own(site), allow_redirects=False)
    assert (sent.status, sent.headers["Location"]) == (303, PAGE)
    page = (await site.get(PAGE)).raw.decode()
    assert "a &lt;i&gt;" in page
    assert "paused" in (await site.get("/ui/schedules")).raw.decode()
    await site.post(PAGE + "/resume", data={}, headers=own(site), allow_redirects=False)
    assert (await site.get(ONE)).json["paused"] is None
    made = await site.post(PAGE + "/trigger", data={}, headers=own(site), allow_redirects=False)
    assert made.headers["Location"].startswith("/ui/jobs/")
    assert (await site.post(PAGE + "/explode", data={}, headers=own(site))).status == 404


# --- the command ------------------------------------------------------------------------------------------------------


async def test_the_command_lists_pauses_and_triggers(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("schedule", "pause", "report/nightly", "--reason", "stocktaking") == 0
    assert "paused     by " in capsys.readouterr().out
    assert await avtomat("schedule", "list") == 0
    heads, leap, nightly = capsys.readouterr().out.splitlines()
    assert heads.split() == ["SCHEDULE", "CRON", "TIMEZONE", "NEXT", "LAST", "RUN"]
    assert leap.startswith("report/leap")
    assert "paused" in nightly
    assert await avtomat("schedule", "resume", "report/nightly", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["paused"] is None

    assert await avtomat("schedule", "trigger", "report/nightly", "--key", "k") == 0
    job = capsys.readouterr().out.strip()
    assert await avtomat("schedule", "trigger", "report/nightly", "--key", "k") == 0
    assert capsys.readouterr().out.strip() == job
    assert await avtomat("schedule", "show", "report/nightly") == 0
    assert f"started {job}" in capsys.readouterr().out
    assert await avtomat("jobs", "why", job) == 0
    assert "made by the schedule report/nightly for" in capsys.readouterr().out
    assert await avtomat("jobs", "history", job) == 0
    assert "made by the schedule nightly" in capsys.readouterr().out


async def test_a_schedule_that_is_not_there_ends_the_command_with_3(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await avtomat("schedule", "show", "report/nigtly") == 3
    assert "did you mean report/nightly?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        await avtomat("schedule", "show", "nightly")
    assert "write BLUEPRINT/NAME" in capsys.readouterr().err


async def test_the_next_times_of_a_file_need_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.yaml").write_text(REPORT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVTOMAT_URL", "http://127.0.0.1:1")
    asked = ("schedule", "next", "report.yaml", "--after", "2026-03-28T00:00:00Z")

    assert await avtomat(*asked, "--name", "nightly", "-n", "2") == 0
    assert capsys.readouterr().out.splitlines() == [
        "nightly  0 2 * * *  Europe/Berlin",
        "  2026-03-28T02:00+01:00  2026-03-28T01:00:00.000Z",
        "  2026-03-29T03:00+02:00  2026-03-29T01:00:00.000Z",
    ]
    assert await avtomat(*asked, "-o", "json") == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["nightly", "leap"]
    assert await avtomat(*asked, "--name", "other") == 3
    (tmp_path / "report.yaml").write_text(REPORT.replace("0 2 * * *", "0 2 * *"))
    assert await avtomat(*asked) == 1
    assert "AVT441" in capsys.readouterr().err
