"""What docs/hooks.md shows is what an engine does: its blueprint, its tests, its request, its table of answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from avtomat.rehearsal.runner import run_file
from avtomat.runtime.service import Service
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

PAGE = (Path(__file__).parents[2] / "docs/hooks.md").read_text("utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
[CURL] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "tickets.yaml").write_text(FILES["tickets.yaml"])
    secrets = {"helpdesk_token": InlineSecret(text="t1")}
    engine = Service(Settings(store="memory:", blueprints=tmp_path, secrets=secrets))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def test_the_request_starts_a_job_once(site: Site) -> None:
    words = shlex.split(CURL)
    url = next(word for word in words if word.startswith("localhost"))
    headers = dict(word.split(": ") for before, word in pairwise(words) if before == "-H")
    headers = {name: text.replace("$HELPDESK_TOKEN", "t1") for name, text in headers.items()}
    body = words[words.index("-d") + 1].encode()
    path = url.partition("8080")[2]

    answers = [await site.post(path, data=body, headers=headers) for _ in range(2)]

    assert [(answer.status, answer.json["status"]) for answer in answers] == [(202, "accepted"), (200, "repeated")]
    job = (await site.get(f"/api/v1/jobs/{answers[0].json['job_id']}")).json
    assert job["input"] == {"text": json.loads(body)["ticket"]["text"]}


def test_its_tests_pass(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    assert run_file(tmp_path / "tickets.test.yaml").is_good
