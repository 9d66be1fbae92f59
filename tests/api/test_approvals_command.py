"""`avtomat approvals` against the real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

ASK = """\
avtomat: 1
blueprint: ask
states:
  ok:
    approval: "Pay {{ input.total }}?"
    assignees: [ann]
    form: {type: object, required: [cost], properties: {cost: {type: integer, description: in euros}}}
    timeout: 1d
    next: more
  more:
    parallel: {a: {approval: a}, b: {approval: b}}
    next: end
"""


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    (tmp_path / "ask.yaml").write_text(ASK)
    engine = Service(Settings(store="memory:", blueprints=tmp_path, link_secret="s" * 32))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AVTOMAT_URL", site.url)
        yield site
    await engine.stop()


async def avtomat(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


async def submitted(site: Site) -> str:
    return str((await site.post("/api/v1/blueprints/ask/jobs", json={"input": {"total": 12}})).json["job_id"])


async def test_questions_are_listed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await avtomat("approvals", "list", await submitted(site)) == 0

    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split() == ["STATE", "VISIT", "ASKED", "UNTIL", "TEXT"]
    assert row.split()[:3] == ["ok", "1", "ann"]
    assert row.endswith("Pay 12?")


async def test_a_question_is_shown_with_links_that_can_be_opened(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await avtomat("approvals", "show", await submitted(site)) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "choices    approve, reject" in lines
    assert "form       cost: in euros" in lines
    link = next(line for line in lines if line.startswith("asked      ann ")).split()[-1]
    assert link.startswith(f"{site.url}/approve/")
    assert (await site.get(link.removeprefix(site.url))).status == 200


async def test_the_only_question_is_decided_without_naming_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    job = await submitted(site)

    decided = await avtomat(
        "approvals", "decide", job, "--choice", "approve", "--comment", "x", "--form", '{"cost": 3}'
    )

    assert decided == 0
    assert capsys.readouterr().out == f"{job} ok approve decided\n"
    outputs = (await site.get(f"/api/v1/jobs/{job}")).json["outputs"]
    assert outputs["ok"] == {"choice": "approve", "by": "admin", "comment": "x", "form": {"cost": 3}}


async def test_of_several_one_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    job = await submitted(site)
    await avtomat("approvals", "decide", job, "ok", "--choice", "approve", "--form", '{"cost": 3}')

    assert await avtomat("approvals", "decide", job, "--choice", "approve") == 2
    assert "more.a, more.b" in capsys.readouterr().err
    assert await avtomat("approvals", "decide", job, "more.b", "--choice", "approve") == 0
    assert await avtomat("approvals", "list", job, "-o", "json") == 0
    told = capsys.readouterr().out
    assert [asked["state"] for asked in json.loads(told[told.index("{") :])["approvals"]] == ["more.a"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no", "--choice", "approve"], 3),
        (["ok", "--choice", "approve"], 1),
        (["ok", "--choice", "maybe", "--form", '{"cost": 3}'], 1),
        (["ok", "--choice", "approve", "--form", '{"cost": 3}', "--visit", "9"], 1),
    ],
)
async def test_what_cannot_be_decided_ends_with_its_code(site: Site, arguments: list[str], code: int) -> None:
    assert await avtomat("approvals", "decide", await submitted(site), *arguments) == code


async def test_a_second_decision_says_whose_was_first(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    job = await submitted(site)
    decide = ("approvals", "decide", job, "ok", "--choice", "approve", "--form", '{"cost": 3}')
    await avtomat(*decide)

    assert await avtomat(*decide) == 1
    assert "admin decided at" in capsys.readouterr().err


async def test_why_and_the_story_of_the_job_tell_of_the_question(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    job = await submitted(site)
    assert await avtomat("jobs", "why", job) == 0
    assert f"avtomat approvals decide {job} ok" in capsys.readouterr().out
    await avtomat("approvals", "decide", job, "ok", "--choice", "approve", "--form", '{"cost": 3}')

    assert await avtomat("jobs", "history", job) == 0
    told = capsys.readouterr().out
    assert "asks ann: Pay 12?" in told
    assert "admin chose approve" in told
