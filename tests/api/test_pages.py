"""The pages, over the real engine: what people see, what they may do, and that nothing of others' text is markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from hashlib import sha256
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
schedule: [{name: nightly, cron: 0 2 * * *, input: {note: n}}]
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


CLIENTS = """\
[clients.shop]
tokens = ["{shop}"]
blueprints = ["pay"]

[clients.other]
tokens = ["{other}"]

[clients.desk]
tokens = ["{desk}"]
scopes = ["operator"]

[clients.board]
tokens = ["{board}"]
scopes = ["viewer"]

[clients.slow]
tokens = ["{slow}"]
rate = {{requests = 2, per = "1h"}}
"""


def clients_file(*left_out: str) -> str:
    names = ("shop", "other", "desk", "board", "slow")
    written = CLIENTS.format(**{name: f"sha256:{sha256(name.encode()).hexdigest()}" for name in names})
    for name in left_out:
        written = re.sub(rf"\[clients\.{name}\]\n(?:.+\n)*", "", written)
    return written


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Site]:
    """An engine with clients.toml, and no token in its settings."""
    (tmp_path / "unseen.yaml").write_text(PAY.replace("blueprint: pay", "blueprint: unseen"))
    (tmp_path / "clients.toml").write_text(clients_file())
    engine = await started(tmp_path, clients=tmp_path / "clients.toml", worker_token="w" * 40)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def logged_in(site: Site, token: str) -> dict[str, str]:
    answer = await site.post("/ui/login", data={"token": token}, headers=own(site), allow_redirects=False)
    assert answer.status == 303
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], **own(site)}


async def job_of(site: Site, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await site.post("/api/v1/blueprints/pay/jobs", json={"input": {"note": "n"}}, headers=headers)
    return str(answer.json["job_id"])


async def test_a_client_of_the_file_sees_its_own_jobs_and_blueprints(shared: Site) -> None:
    mine, others, cookie = await job_of(shared, "shop"), await job_of(shared, "other"), await logged_in(shared, "shop")

    jobs = (await shared.get("/ui/jobs", headers=cookie)).raw.decode()
    blueprints = (await shared.get("/ui/blueprints", headers=cookie)).raw.decode()

    assert mine in jobs
    assert others not in jobs
    assert "unseen" not in jobs + blueprints
    assert (await shared.get(f"/ui/jobs/{mine}", headers=cookie)).status == 200
    assert (await shared.get(f"/ui/jobs/{others}", headers=cookie)).status == 404
    assert (await shared.get("/ui/blueprints/unseen", headers=cookie)).status == 404


@pytest.mark.parametrize("page", ["workers", "queues", "engine", "schedules"])
async def test_what_belongs_to_no_client_is_for_viewers(shared: Site, page: str) -> None:
    client, viewer = await logged_in(shared, "shop"), await logged_in(shared, "board")

    refused = await shared.get(f"/ui/{page}", headers=client)

    assert refused.status == 403
    assert "viewer" in refused.raw.decode()
    assert f'href="/ui/{page}"' not in (await shared.get("/ui/jobs", headers=client)).raw.decode()
    assert (await shared.get(f"/ui/{page}", headers=viewer)).status == 200


@pytest.mark.parametrize(
    ("who", "actions"),
    [("shop", {"cancel"}), ("board", set()), ("desk", {"pause", "cancel", "skip", "rerun"})],
)
async def test_a_page_offers_and_takes_what_the_api_would(shared: Site, who: str, actions: set[str]) -> None:
    job, cookie = await job_of(shared, "shop"), await logged_in(shared, who)

    page = (await shared.get(f"/ui/jobs/{job}", headers=cookie)).raw.decode()
    taken = {
        action
        for action in ("pause", "skip", "rerun", "cancel")
        if (await shared.post(f"/ui/jobs/{job}/{action}", data={}, headers=cookie, allow_redirects=False)).status != 403
    }

    assert set(re.findall(rf'action="/ui/jobs/{job}/(\w+)"', page)) == actions
    assert taken == actions


@pytest.mark.parametrize(("who", "actions"), [("board", set()), ("desk", {"pause", "trigger"})])
async def test_a_schedule_is_acted_on_by_operators_alone(shared: Site, who: str, actions: set[str]) -> None:
    cookie, here = await logged_in(shared, who), "/ui/schedules/pay/nightly"

    page = (await shared.get(here, headers=cookie)).raw.decode()
    taken = {
        action
        for action in ("pause", "trigger")
        if (await shared.post(f"{here}/{action}", data={}, headers=cookie, allow_redirects=False)).status == 303
    }

    assert Tags(page).open == []
    assert set(re.findall(rf'action="{here}/(\w+)"', page)) == actions
    assert taken == actions


async def test_a_session_ends_with_its_token(shared: Site, tmp_path: Path) -> None:
    cookie = await logged_in(shared, "board")

    (tmp_path / "clients.toml").write_text(clients_file("board"))
    await shared.engine.access.load()

    assert (await shared.get("/ui/jobs", headers=cookie, allow_redirects=False)).status == 303
    wrong = await shared.post("/ui/login", data={"token": "board"}, headers=own(shared), allow_redirects=False)
    assert wrong.status == 403


async def test_what_the_file_says_opens_no_session(shared: Site) -> None:
    digest = f"sha256:{sha256(b'desk').hexdigest()}"
    answer = await shared.post("/ui/login", data={"token": digest}, headers=own(shared), allow_redirects=False)
    forged = {"Cookie": f"avtomat_session=9999999999.{digest[7:]}.{'0' * 64}"}

    assert answer.status == 403
    assert (await shared.get("/ui/jobs", headers=forged, allow_redirects=False)).status == 303


async def test_pages_count_as_requests_of_their_client(shared: Site) -> None:
    cookie = await logged_in(shared, "slow")

    statuses = [(await shared.get("/ui/jobs", headers=cookie)).status for _ in range(3)]

    assert statuses == [200, 200, 429]


async def test_a_session_is_good_at_every_replica(tmp_path: Path) -> None:
    (tmp_path / "clients.toml").write_text(clients_file())
    first, second = [await started(tmp_path, clients=tmp_path / "clients.toml", link_secret="s" * 32) for _ in range(2)]
    async with site_of(first) as here, site_of(second) as there:
        cookie = await logged_in(here, "board")
        assert (await there.get("/ui/jobs", headers=cookie, allow_redirects=False)).status == 200
    await first.stop()
    await second.stop()
