"""A name of which no version ever was good is told from one that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.settings import Settings

GOOD = "avtomat: 1\nblueprint: {name}\nstates: {{a: {{task: t}}}}\n"


async def test_a_name_that_never_was_good_is_503_with_retry_after_and_an_unknown_one_404(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD.format(name="good"))
    (tmp_path / "wrong.yaml").write_text("{")
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    for name, status in (("wrong", 503), ("unknown", 404)):
        with pytest.raises(RequestRefused) as refused:
            await engine.clients.submit(Submission(blueprint=name, input={}, client="c"))
        assert (refused.value.status, refused.value.retry_after_s is not None) == (status, status == 503)
        assert refused.value.exit_code == {503: 1, 404: 3}[status]
        assert status == 404 or "fix its file" in str(refused.value.hint)
    assert (await engine.clients.submit(Submission(blueprint="good", input={}, client="c"))).fresh
    ready, reasons = engine.readiness()
    assert (ready, reasons["degraded"], reasons["blueprints"]) == (
        False,
        True,
        {"current": 1, "broken": 1, "never_good": 1},
    )

    (tmp_path / "wrong.yaml").write_text(GOOD.format(name="wrong"))
    await engine.reload()
    assert engine.readiness() == (True, {})
    (tmp_path / "wrong.yaml").write_text("{")
    await engine.reload()
    ready, reasons = engine.readiness()
    assert (ready, reasons["blueprints"]) == (True, {"current": 2, "broken": 1})
    await engine.stop()
