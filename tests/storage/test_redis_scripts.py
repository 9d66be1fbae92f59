"""What is promised of the scripts themselves: what they say, decode and read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from avtomat.storage.redis.script import load_scripts

LUA = files("avtomat.storage.redis") / "lua"
SCRIPTS = sorted(file.name for file in LUA.iterdir() if file.name.endswith(".lua"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_takes_and_returns(name: str) -> None:
    text = LUA.joinpath(name).read_text()
    header = text.partition("--@include")[0]
    assert "-- Returns {now" in header
    assert "--@include base" in text


WHOLE_KEY = re.compile(r"'(?:LRANGE|SMEMBERS|HGETALL|HKEYS|HVALS)'|'Z(?:REV)?RANGE', [^\n]*, 0, -1")
READS_WHOLE_KEYS = {
    *("agreed", "changes", "children", "counts", "current", "held", "list", "parking", "read_key", "taking", "trim")
}
"""Parts that read all of something: leases of a job that ends, undoes nothing or is parked, what is set aside while it
is, queues and blueprints for metrics and listings, what is current or agreed on after it changed, forks of a job that
leaves, the
clients that wait for a queue, anything for a dump.
"""


def test_a_step_reads_no_key_whole_that_grows_with_what_a_job_did() -> None:
    parts = [*LUA.iterdir(), *(LUA / "parts").iterdir()]
    found = {file.name.removesuffix(".lua") for file in parts if file.is_file() and WHOLE_KEY.search(file.read_text())}
    assert found == READS_WHOLE_KEYS


def test_no_script_decodes_what_users_wrote() -> None:
    for script in load_scripts():
        assert b"cjson" not in script.source
        assert b"cmsgpack" not in script.source
