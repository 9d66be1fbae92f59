"""The doors for decisions, over the real engine on the memory store: the API, and links with their pages."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from avtomat.api.public.approval_page import POLICY
from avtomat.core.messages import RerunRequested
from avtomat.runtime.people.links import Claim, Links
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Answer, Site, site_of

SECRET = "0123456789abcdef0123456789abcdef"
ASK = """\
avtomat: 1
blueprint: ask
states:
  ok:
    approval: "{{ input.text }}"
    assignees: [ann, "<b>bob</b>"]
    form:
      type: object
      required: [cost, kind]
      properties:
        cost: {type: integer, minimum: 1, title: "Cost <i>", description: In euros.}
        kind: {enum: [goods, 7, null]}
        note: {type: string, maxLength: 20, default: none}
        long: {type: string}
        day: {type: string, format: date}
        sure: {type: boolean, default: true}
        tags: {type: array, items: {enum: [red, blue]}, default: [blue]}
        more: {type: object, properties: {deep: {type: integer}}}
    next: done
  done: {succeed: "{{ outputs.ok }}"}
"""
PLAIN = """\
avtomat: 1
blueprint: plain
states:
  ok: {approval: "Sure?", assignees: [ann], next: done}
  done: {succeed: "{{ outputs.ok }}"}
"""
HOSTILE = "Pay <script>alert(1)</script> & \"all\" 'now'?"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "ask.yaml").write_text(ASK)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    engine = Service(Settings(store="memory:", blueprints=tmp_path, link_secret=SECRET))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def submitted(site: Site, blueprint: str = "plain", text: str = HOSTILE) -> str:
    answer = await site.post(f"/api/v1/blueprints/{blueprint}/jobs", json={"input": {"text": text}})
    return str(answer.json["job_id"])


def at(job: str, state: str = "") -> str:
    return f"/api/v1/jobs/{job}/approvals{state}"


async def link_of(site: Site, job: str, who: str = "ann") -> str:
    return str((await site.get(at(job) + "?links=true")).json["approvals"][0]["links"][who])


async def sent(site: Site, link: str, origin: str | None = None, **fields: Any) -> Answer:
    """Send the form of a page, as a browser does."""
    headers = {"Origin": site.url if origin is None else origin} if origin != "" else {}
    return await site.post(link, data=fields, headers=headers)


async def shown(site: Site, job: str) -> dict[str, Any]:
    return dict((await site.get(f"/api/v1/jobs/{job}?wait=10")).json)


# --- the API ----------------------------------------------------------------------------------------------------------


async def test_what_is_asked_is_read_without_links_unless_they_are_asked_for(site: Site) -> None:
    job = await submitted(site, "ask")

    plain = await site.get(at(job))

    assert (plain.status, plain.json["complete"]) == (200, True)
    (asked,) = plain.json["approvals"]
    assert (asked["text"], asked["choices"], asked["visit"]) == (HOSTILE, ["approve", "reject"], 1)
    assert "links" not in asked
    assert set((await site.get(at(job) + "?links=true")).json["approvals"][0]["links"]) == {"ann", "<b>bob</b>"}


async def test_a_decision_is_200_and_a_later_one_409_with_who_decided(site: Site) -> None:
    job = await submitted(site)

    first = await site.post(at(job, "/ok"), json={"choice": "approve", "comment": "fine", "visit": 1})
    later = await site.post(at(job, "/ok"), json={"choice": "reject"})

    assert (first.status, first.json["status"], first.json["by"]) == (200, "decided", "admin")
    assert (later.status, later.code) == (409, "approval.decided")
    assert (later.json["details"]["by"], later.json["details"]["choice"]) == ("admin", "approve")
    assert later.json["details"]["decided_at"] == first.json["decided_at"]
    history = (await site.get(f"/api/v1/jobs/{job}/history")).json["history"]
    assert [entry["origin"] for entry in history if entry["type"] == "ApprovalDecided"] == ["127.0.0.1"]


async def test_a_decision_on_a_paused_job_is_202(site: Site) -> None:
    job = await submitted(site)
    await site.post(f"/api/v1/jobs/{job}/pause")

    assert (await site.post(at(job, "/ok"), json={"choice": "approve"})).status == 202


async def test_a_scope_is_named_by_its_path(site: Site) -> None:
    job = await submitted(site)

    assert (await site.post(at(job, "/%2F"), json={"choice": "approve"})).status == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ([], 422, "request.invalid", ""),
        ({}, 422, "request.invalid", "/choice"),
        ({"choice": 1}, 422, "request.invalid", "/choice"),
        ({"choice": "maybe"}, 422, "approval.invalid", "/choice"),
        ({"choice": "approve", "coment": "x"}, 422, "request.invalid", "/coment"),
        ({"choice": "approve", "comment": 1}, 422, "request.invalid", "/comment"),
        ({"choice": "approve", "visit": True}, 422, "request.invalid", "/visit"),
        ({"choice": "approve", "visit": 2}, 410, "approval.gone", None),
        ({"choice": "approve", "form": {}}, 422, "approval.invalid", "/form"),
    ],
)
async def test_what_is_no_decision_is_refused_and_uses_nothing_up(
    site: Site, body: Any, status: int, code: str, pointer: str | None
) -> None:
    job = await submitted(site)

    refused = await site.post(at(job, "/ok"), json=body)

    assert (refused.status, refused.code, refused.json.get("pointer")) == (status, code, pointer)
    assert (await site.post(at(job, "/ok"), json={"choice": "approve"})).status == 200


async def test_unknown_jobs_states_and_parameters_are_refused(site: Site) -> None:
    job = await submitted(site)

    assert (await site.get(at("00" + "0" * 24))).code == "job.not_found"
    assert (await site.post(at("00" + "0" * 24, "/ok"), json={"choice": "approve"})).code == "job.not_found"
    assert (await site.post(at(job, "/no"), json={"choice": "approve"})).code == "approval.not_found"
    assert (await site.get(at(job) + "?links=1")).code == "request.parameter"
    assert (await site.get(at(job) + "?link=true")).code == "request.parameter"


async def test_a_job_that_waits_for_people_says_so(site: Site) -> None:
    job = await submitted(site)

    page = await site.get("/api/v1/jobs?status=waiting_for_human")
    why = (await site.get(f"/api/v1/jobs/{job}/why")).json["causes"][0]

    assert [each["id"] for each in page.json["jobs"]] == [job]
    assert (why["cause"], why["state"]) == ("approval", "ok")
    assert f"avtomat approvals decide {job} ok --choice approve|reject" in why["hint"]
    assert "/approve/" not in json.dumps(why)


# --- links ------------------------------------------------------------------------------------------------------------


async def test_a_link_shows_the_question_as_text_and_every_field(site: Site) -> None:
    page = await site.get(await link_of(site, await submitted(site, "ask"), "<b>bob</b>"))

    text = page.raw.decode()
    assert page.status == 200
    assert "<script" not in text
    assert "<b>" not in text
    assert HOSTILE in unescape(text)
    for expected in (
        "Cost &lt;i&gt; *",
        "In euros.",
        '<option value="1">7</option>',
        '<textarea id="f3"',
        'type="date"',
        'value="none"',
        'value="true" checked',
        'value="1" checked> blue',
        'value="0"> red',
        '<button name="choice" value="approve">',
    ):
        assert expected in text, expected


async def test_pages_run_nothing_stay_nowhere_and_tell_nobody(site: Site) -> None:
    link = await link_of(site, await submitted(site))
    pages = [await site.get(link), await site.get("/approve/forged"), await sent(site, link, choice="perhaps")]

    for page in pages:
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "same-origin"  # with no-referrer a form's Origin would be null
        assert not re.search(rb"<script|\son\w+=|style=|javascript:|https?://", page.raw)
    assert "script-src" not in POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert (await site.get("/approve.css")).headers["Content-Type"].startswith("text/css")


async def test_looking_never_decides(site: Site) -> None:
    job = await submitted(site)
    link = await link_of(site, job)

    for method in ("GET", "HEAD"):
        for query in ("", "?choice=approve"):
            assert (await site.ask(method, link + query)).status == 200
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await site.ask(method, link)).status == 405

    assert len((await site.get(at(job))).json["approvals"]) == 1


async def test_a_form_decides_once_as_the_one_who_was_asked(site: Site) -> None:
    job = await submitted(site)
    link = await link_of(site, job)

    decided = await sent(site, link, choice="approve", comment=" fine ")
    again = await sent(site, link, choice="reject")
    looked = await site.get(link)

    assert (decided.status, again.status, looked.status) == (200, 409, 409)
    assert b"ann decided at" in again.raw
    assert (await shown(site, job))["result"] == {"choice": "approve", "by": "ann", "comment": "fine", "form": None}
    history = (await site.get(f"/api/v1/jobs/{job}/history")).json["history"]
    (entry,) = [entry for entry in history if entry["type"] == "ApprovalDecided"]
    assert (entry["via"], entry["origin"]) == ("link", "127.0.0.1")


async def test_what_a_browser_sends_becomes_the_value_that_the_schema_describes(site: Site) -> None:
    job = await submitted(site, "ask")

    fields = {"f0": "12", "f1": "1", "f2": "", "f3": "a\r\nb", "f4": "2026-01-31", "f6": "0", "f7": '{"deep": 1}'}
    answer = await sent(site, await link_of(site, job), choice="approve", **fields)

    assert answer.status == 200, answer.raw
    assert (await shown(site, job))["result"]["form"] == {
        "cost": 12,
        "kind": 7,
        "long": "a\nb",
        "day": "2026-01-31",
        "sure": False,
        "tags": ["red"],
        "more": {"deep": 1},
        "note": "none",
    }


async def test_a_form_that_does_not_fit_is_shown_again_with_what_was_sent_and_what_is_wrong(site: Site) -> None:
    job = await submitted(site, "ask")
    link = await link_of(site, job)

    fields = {"f0": "many <b>", "f1": "0", "f2": "x" * 21, "f4": "soon", "f7": '{"deep": "x"}', "comment": "because"}
    refused = await sent(site, link, choice="approve", **fields)

    text = refused.raw.decode()
    assert refused.status == 422
    assert 'value="many &lt;b&gt;"' in text
    assert "because</textarea>" in text
    assert '<option value="0" selected>goods</option>' in text
    assert text.count('class="bad"') == 4
    fields = {"f0": "1", "f1": "0", "comment": "because"}
    assert (await sent(site, link, choice="approve", **fields)).status == 200
    assert (await shown(site, job))["result"]["comment"] == "because"


async def test_no_choice_is_told_and_uses_nothing_up(site: Site) -> None:
    job = await submitted(site)
    link = await link_of(site, job)

    for fields in ({}, {"choice": ""}, {"choice": "perhaps"}):
        assert (await sent(site, link, **fields)).status == 422

    assert (await sent(site, link, choice="reject")).status == 200


async def test_enter_in_a_field_presses_no_choice(site: Site) -> None:
    page = (await site.get(await link_of(site, await submitted(site, "ask")))).raw.decode()

    assert re.findall(r"<button[^>]*>", page)[0] == "<button disabled hidden>"


async def test_a_link_is_void_once_the_state_is_entered_anew(site: Site) -> None:
    job = await submitted(site)
    link = await link_of(site, job)
    await site.engine.operators.rerun(job, None, RerunRequested(by="op"))

    assert (await site.get(link)).status == 410
    assert (await sent(site, link, choice="approve")).status == 410
    assert (await sent(site, await link_of(site, job), choice="approve")).status == 200


async def test_links_of_two_people_decide_one_question(site: Site) -> None:
    job = await submitted(site, "ask")
    ann, bob = await link_of(site, job), await link_of(site, job, "<b>bob</b>")

    both = await asyncio.gather(
        *(sent(site, link, choice="approve", f0="1", f1="0") for link in (ann, bob)), return_exceptions=False
    )

    assert sorted(each.status for each in both) == [200, 409]


@pytest.mark.parametrize("who", ["eve", "ann "])
async def test_a_link_for_somebody_who_was_not_asked_is_refused(site: Site, who: str) -> None:
    job = await submitted(site)
    link = Links(SECRET).link(Claim(job=job, scope="/", visit=1, assignee=who))
    assert link is not None

    assert (await sent(site, link, choice="approve")).status == 403


async def test_a_forged_link_is_404_and_asks_the_store_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await submitted(site)
    link = await link_of(site, job)
    other = Links("another secret of 32 characters!").link(Claim(job=job, scope="/", visit=1, assignee="ann"))
    looked_at: list[object] = []
    monkeypatch.setattr(site.engine.approvals, "_row", looked_at.append)

    for forged in (link[:-1] + ("A" if link[-1] != "A" else "E"), other, "/approve/x.y", "/approve/%2e%2e"):
        assert (await site.get(forged)).status == 404
        assert (await sent(site, forged, choice="approve")).status == 404

    assert looked_at == []
    monkeypatch.undo()
    assert len((await site.get(at(job))).json["approvals"]) == 1


@pytest.mark.parametrize("origin", ["", "null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1"])
async def test_a_form_of_another_page_is_refused(site: Site, origin: str) -> None:
    job = await submitted(site)
    link = await link_of(site, job)

    assert (await sent(site, link, origin, choice="approve")).status == 403
    assert len((await site.get(at(job))).json["approvals"]) == 1


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_only_a_form_is_read(site: Site, kind: str) -> None:
    link = await link_of(site, await submitted(site))

    answer = await site.post(link, data=b"choice=approve", headers={"Origin": site.url, "Content-Type": kind})

    assert answer.status == 415


async def test_a_form_that_is_too_large_or_garbled_is_refused(site: Site) -> None:
    link = await link_of(site, await submitted(site))
    headers = {"Origin": site.url, "Content-Type": "application/x-www-form-urlencoded"}

    assert (await site.post(link, data=b"comment=" + b"x" * 300_000, headers=headers)).status == 413
    assert (await site.post(link, data=b"comment=%ff%fe&choice=approve", headers=headers)).status == 400
    assert (await sent(site, link, choice="approve", comment="x" * 5_000)).status == 422


async def test_links_are_in_no_log_and_no_history(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    job = await submitted(site)
    link = await link_of(site, job)
    await site.get(link)
    await sent(site, link, choice="approve")

    token = link.rpartition("/")[2]
    assert token not in caplog.text
    assert token not in (await site.get(f"/api/v1/jobs/{job}/history")).raw.decode()
    assert token not in (await site.get("/metrics")).raw.decode()


async def test_links_begin_with_the_public_address_whose_pages_may_decide(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(PLAIN)
    settings = Settings(
        store="memory:", blueprints=tmp_path, link_secret=SECRET, public_url="https://flows.example.com/avtomat"
    )
    engine = Service(settings)
    await engine.start(watch=False)
    async with site_of(engine) as site:
        link = await link_of(site, await submitted(site))
        assert link.startswith("https://flows.example.com/avtomat/approve/")
        path = link.removeprefix("https://flows.example.com/avtomat")
        assert (await sent(site, path, "https://flows.example.com", choice="approve")).status == 200
    await engine.stop()


async def test_without_a_secret_no_links_are_given_out(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(PLAIN)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        job = await submitted(site)
        assert (await site.get(at(job) + "?links=true")).json["approvals"][0]["links"] == {}
        link = Links(SECRET).link(Claim(job=job, scope="/", visit=1, assignee="ann"))
        assert link is not None
        assert (await site.get(link)).status == 404
    await engine.stop()
