"""The pages, over the real engine: what people see, what they may do, and that nothing of others' text is markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

WILD = "<script>alert(1)</script>"
PAY = """\
avtomat: 1
blueprint: pay
start: ask
states:
  ask: {task: ask, params: {note: "{{ input.note }}"}, next: paid}
  paid: {signal: paid, next: end}
finally: {task: sweep}
"""
TOKEN = "c" * 40
PAGES = (
    "/ui/jobs",
    "/ui/incidents",
    "/ui/blueprints",
    "/ui/blueprints/pay",
    "/ui/workers",
    "/ui/queues",
    "/ui/engine",
    "/ui/schedules",
)


class Tags(HTMLParser):
    """The elements of a page, to see that it is one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def started(folder: Path, **settings: Any) -> Service:
    (folder / "pay.yaml").write_text(PAY)
    engine = Service(Settings(store="memory:", blueprints=folder, **settings))
    await engine.start(watch=False)
    return engine


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    engine = await started(tmp_path)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Site]:
    engine = await started(tmp_path, client_token=TOKEN, worker_token="w" * 40)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


def own(site: Site) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{site.port}"}


async def submit(site: Site) -> str:
    return str((await site.post("/api/v1/blueprints/pay/jobs", json={"input": {"note": WILD}})).json["job_id"])


async def answer_task(site: Site) -> None:
    task = (await site.get("/_worker/workers/w1/tasks/next?available_skills=ask&timeout=5")).json
    body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1", "data": {}}
    await site.post("/_worker/tasks/result", json=body)


@pytest.mark.parametrize("address", PAGES)
async def test_a_page_is_whole_and_loads_nothing_from_elsewhere(site: Site, address: str) -> None:
    await submit(site)
    answer = await site.get(address)

    assert answer.status == 200
    tags = Tags(answer.raw.decode())
    assert tags.open == []
    links = [
        each.get("href") or each.get("src") or "" for _tag, each in tags.seen if each.get("href") or each.get("src")
    ]
    assert all(link.startswith(("/", "?")) for link in links)
    assert not any(name.startswith("on") or name == "style" for _tag, each in tags.seen for name in each)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_what_users_sent_is_text(site: Site) -> None:
    job = await submit(site)
    await site.post(f"/api/v1/jobs/{job}/pause", json={"reason": WILD})
    page = (await site.get(f"/ui/jobs/{job}")).raw.decode()

    assert WILD not in page
    assert "&lt;script&gt;" in page
    assert [tag for tag, _ in Tags(page).seen].count("script") == 1


async def test_the_page_of_a_job_says_why_it_waits_in_the_words_of_the_command(site: Site) -> None:
    job = await submit(site)
    why = (await site.get(f"/api/v1/jobs/{job}/why")).json["causes"][0]
    page = (await site.get(f"/ui/jobs/{job}")).raw.decode()

    assert why["text"] in page
    assert 'class="node current"' in page


async def test_a_form_does_what_it_says_and_shows_the_job_again(site: Site) -> None:
    job = await submit(site)
    answer = await site.post(
        f"/ui/jobs/{job}/pause", data={"reason": "lunch"}, headers=own(site), allow_redirects=False
    )

    assert (answer.status, answer.headers["Location"]) == (303, f"/ui/jobs/{job}")
    assert (await site.get(f"/api/v1/jobs/{job}")).json["status"] == "paused"
    await site.post(f"/ui/jobs/{job}/resume", data={}, headers=own(site), allow_redirects=False)
    await site.post(f"/ui/jobs/{job}/cancel", data={"reason": "enough"}, headers=own(site), allow_redirects=False)
    assert (await site.get(f"/api/v1/jobs/{job}")).json["status"] == "finishing"
    assert "enough" in (await site.get(f"/ui/jobs/{job}")).raw.decode()


async def test_a_signal_is_sent_from_the_page(site: Site) -> None:
    job = await submit(site)
    await answer_task(site)
    form = {"name": "paid", "key": "", "payload": '{"amount": 3}'}
    wrong = await site.post(f"/ui/jobs/{job}/signal", data={**form, "payload": "{"}, headers=own(site))
    answer = await site.post(f"/ui/jobs/{job}/signal", data=form, headers=own(site), allow_redirects=False)

    assert (wrong.status, answer.status) == (422, 303)
    again = await site.post(f"/api/v1/jobs/{job}/signals/nothing", json={})
    assert again.status == 404
    assert "the signal paid" in (await site.get(f"/ui/jobs/{job}")).raw.decode()


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
async def test_a_form_of_another_origin_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    job = await submit(site)
    answer = await site.post(f"/ui/jobs/{job}/cancel", data={}, headers=headers, allow_redirects=False)

    assert answer.status == 403
    assert (await site.get(f"/api/v1/jobs/{job}")).json["status"] == "waiting_for_worker"


async def test_what_cannot_be_done_is_a_page_with_the_reason(site: Site) -> None:
    job = await submit(site)
    answer = await site.post(f"/ui/jobs/{job}/resume", data={}, headers=own(site), allow_redirects=False)
    nowhere = await site.get("/ui/jobs/00nothing")

    assert (answer.status, nowhere.status) == (409, 404)
    assert "the job is not paused" in answer.raw.decode()
    assert Tags(nowhere.raw.decode()).open == []


async def test_with_a_token_a_page_asks_for_it_and_a_cookie_stands_for_it(locked: Site) -> None:
    asked = await locked.get("/ui/jobs", allow_redirects=False)
    wrong = await locked.post("/ui/login", data={"token": "x"}, headers=own(locked), allow_redirects=False)
    right = await locked.post(
        "/ui/login", data={"token": TOKEN, "to": "/ui/engine"}, headers=own(locked), allow_redirects=False
    )

    assert (asked.status, asked.headers["Location"]) == (303, "/ui/login?to=%2Fui%2Fjobs")
    assert (wrong.status, right.status, right.headers["Location"]) == (403, 303, "/ui/engine")
    cookie = right.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert all(flag in cookie for flag in ("HttpOnly", "SameSite=Strict", "Path=/ui", "Max-Age=43200"))
    value = cookie.partition(";")[0]
    assert (await locked.get("/ui/jobs", headers={"Cookie": value}, allow_redirects=False)).status == 200
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), re.sub(r"=\d", "=9", value), "avtomat_session=."):
        assert (await locked.get("/ui/jobs", headers={"Cookie": forged}, allow_redirects=False)).status == 303


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/ui/", "/ui/../api", "javascript:1"])
async def test_the_login_leads_nowhere_else(locked: Site, to: str) -> None:
    answer = await locked.post("/ui/login", data={"token": TOKEN, "to": to}, headers=own(locked), allow_redirects=False)

    assert answer.headers["Location"].startswith("/ui/")
    assert "evil" not in answer.headers["Location"]


async def test_the_cookie_opens_the_pages_and_not_the_api(locked: Site) -> None:
    right = await locked.post("/ui/login", data={"token": TOKEN}, headers=own(locked), allow_redirects=False)
    value = right.headers["Set-Cookie"].partition(";")[0]

    assert (await locked.get("/api/v1/jobs", headers={"Cookie": value})).status == 401
