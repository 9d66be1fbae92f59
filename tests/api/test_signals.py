"""The clients' door for signals, over the real engine on the memory store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.cli.main import main
from avtomat.runtime.jobs.signals import PAYLOAD_BYTES_MAX
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from avtomat.storage.port.store import SENDER_IDS_MAX
from avtomat.storage.port.writes import Mail
from tests.api.conftest import Site, site_of

PAY = """\
avtomat: 1
blueprint: pay
states:
  pay: {signal: "to.be:paid", key: "{{ input.order }}", expects: {type: object, required: [amount]}}
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "pay.yaml").write_text(PAY)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def submitted(site: Site, order: object = "o1") -> str:
    return str((await site.post("/api/v1/blueprints/pay/jobs", json={"input": {"order": order}})).json["job_id"])


def at(job: str, name: str = "to.be%3Apaid") -> str:
    return f"/api/v1/jobs/{job}/signals/{name}"


async def test_a_signal_is_202_and_a_repeat_of_its_id_200(site: Site) -> None:
    job = await submitted(site)
    body = {"payload": {"amount": 12.0}, "key": "o1", "id": "s1"}

    first, again = [await site.post(at(job), json=body) for _ in range(2)]

    told = {"job_id": job, "signal": "to.be:paid"}
    assert (first.status, first.json) == (202, {**told, "status": "accepted"})
    assert (again.status, again.json) == (200, {**told, "status": "repeated"})
    ended = await site.get(f"/api/v1/jobs/{job}?wait=10")
    assert ended.json["result"] == {"amount": 12.0}
    assert b'"amount":12.0' in ended.raw


async def test_a_whole_number_is_a_key(site: Site) -> None:
    job = await submitted(site, 17)

    assert (await site.post(at(job), json={"payload": {"amount": 1}, "key": 17})).status == 202
    assert (await site.get(f"/api/v1/jobs/{job}?wait=10")).json["status"] == "finished"


async def test_a_signal_without_a_body_says_null(site: Site) -> None:
    answer = await site.post(at(await submitted(site)))

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "signal.invalid", "/payload")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({"payload": {"amount": 1}, "amount": 1}, "/amount"),
        ({"payload": {"amount": 1}, "key": None}, "/key"),
        ({"payload": {"amount": 1}, "key": True}, "/key"),
        ({"payload": {"amount": 1}, "key": 1.5}, "/key"),
        ({"payload": {"amount": 1}, "id": 7}, "/id"),
        ({"payload": {"amount": 1}, "id": "x" * 256}, "/id"),
        ({"payload": {"amount": 1}, "key": "x" * 513}, "/key"),
    ],
)
async def test_a_body_that_makes_no_sense_is_422(site: Site, body: Any, pointer: str) -> None:
    answer = await site.post(at(await submitted(site)), json=body)

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "request.invalid", pointer)


async def test_a_misspelt_field_is_told(site: Site) -> None:
    answer = await site.post(at(await submitted(site)), json={"payloud": {"amount": 1}})

    assert answer.json["hint"] == "did you mean payload?"


async def test_no_such_job_or_signal_is_404(site: Site) -> None:
    no_signal = await site.post(at(await submitted(site), "paid"), json={"payload": {"amount": 1}})
    no_job = await site.post(at("0" * 26), json={"payload": {"amount": 1}})

    assert (no_signal.status, no_signal.code) == (404, "signal.not_found")
    assert (no_job.status, no_job.code) == (404, "job.not_found")


async def test_a_payload_that_is_too_large_is_413(site: Site) -> None:
    payload = {"amount": "x" * PAYLOAD_BYTES_MAX}

    answer = await site.post(at(await submitted(site)), json={"payload": payload})

    assert (answer.status, answer.code) == (413, "signal.too_large")


async def test_a_job_that_has_ended_is_409(site: Site) -> None:
    job = await submitted(site)
    await site.post(f"/api/v1/jobs/{job}/cancel")

    answer = await site.post(at(job), json={"payload": {"amount": 1}, "key": "o1"})

    assert (answer.status, answer.code) == (409, "job.state")
    assert answer.json["detail"] == "the job is cancelled: it takes no signals"


async def test_a_sender_that_fills_the_mailbox_is_429_and_known_ids_stay_known(site: Site) -> None:
    job = await submitted(site)
    sent = {"payload": {"amount": 1}, "key": "o2", "id": "s1"}
    sender = (await site.post(at(job), json=sent)) and await _sender_of(site, job)
    letters = [Mail(id=f"m{n}", kind="signal", body=b"{}", to=("signal", "x", ""), sender=sender) for n in _ROOM]
    await asyncio.gather(*(site.engine.store.deliver(job, letter) for letter in letters))

    answer = await site.post(at(job), json={**sent, "id": "s2"})

    assert (answer.status, answer.code) == (429, "job.mailbox_full")
    assert (await site.post(at(job), json=sent)).status == 200


_ROOM = range(SENDER_IDS_MAX - 1)


async def _sender_of(site: Site, job: str) -> str:
    """By what name the store counts this client's signals."""
    counts: dict[str, int] = (await site.engine.store.dump())["jobs"][job]["mail_counts"]
    return next(word for word in counts if word.startswith("signal ")).removeprefix("signal ")


async def test_the_api_describes_its_signals(site: Site) -> None:
    described = (await site.get("/openapi.json")).json

    [path] = [path for path in described["paths"] if path.endswith("/signals/{name}")]
    assert set(described["paths"][path]["post"]["responses"]) >= {"200", "202", "404", "409", "413", "422", "429"}


# --- avtomat signal ---------------------------------------------------------------------------------------------------


async def avtomat(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


async def test_the_command_sends_a_signal_and_says_what_became_of_it(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVTOMAT_URL", site.url)
    job = await submitted(site)
    sent = ("signal", job, "to.be:paid", "--key", "o1", "--payload", '{"amount": 12}', "--id", "s1")

    assert [await avtomat(*sent), await avtomat(*sent)] == [0, 0]

    assert capsys.readouterr().out == f"{job} to.be:paid accepted\n{job} to.be:paid repeated\n"
    assert (await site.get(f"/api/v1/jobs/{job}?wait=10")).json["result"] == {"amount": 12}


@pytest.mark.parametrize(
    ("name", "payload", "code", "said"),
    [
        ("to.be.paid", '{"amount": 12}', 3, "did you mean to.be:paid?"),
        ("to.be:paid", '{"sum": 12}', 1, "`amount` is missing"),
    ],
)
async def test_the_command_says_why_a_signal_is_refused(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    payload: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("AVTOMAT_URL", site.url)

    assert await avtomat("signal", await submitted(site), name, "--payload", payload) == code

    assert said in capsys.readouterr().err
