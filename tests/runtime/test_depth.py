"""Values that grow deeper than can be written end their job by the limit, and never the engine's request."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.bench import bench_of

WRAPS = """
data: {x: null, n: 0}
catch: [{to: done}]
states:
  first: {task: work, next: wrap}
  wrap: {set: {x: "{{ [data.x] }}", n: "{{ data.n + 1 }}"}, transitions: [{when: data.n > 300, to: done}, {to: wrap}]}
  done: {succeed: 1}
"""


async def test_a_state_that_wraps_its_own_data_again_and_again_ends_by_the_limit(tmp_path: Path) -> None:
    async with bench_of(WRAPS, tmp_path, "memory") as bench:
        job = await bench.submit()
        assert await bench.answer(await bench.take()) == {"status": "accepted"}

        ended = await bench.job(job)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert "deeper than 254 levels" in ended["error"]["message"]


async def test_a_job_that_would_begin_so_has_failed(tmp_path: Path) -> None:
    async with bench_of("start: wrap" + WRAPS, tmp_path, "memory") as bench:
        job = await bench.job(await bench.submit())

    assert (job["status"], job["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert "deeper than 254 levels" in job["error"]["message"]
