"""Secrets and constants that nobody declared are told when a blueprint is loaded, not when its job fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from avtomat.runtime.blueprints.undeclared import undeclared
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings
from tests.core.building import program_of
from tests.runtime.bench import bench_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TEXT = """\
data: {shop: "{{ config.shop }}", tax: "{{ default(config.tax, 0) }}"}
states:
  pay:
    task: pay
    params: {key: "{{ secrets.payments_key }}"}
    compensate: {task: refund, params: {key: "Bearer {{ secrets.refund_key }}"}}
    next: end
"""


def settings_with(secrets: list[str], constants: list[str], *hosts: str) -> Settings:
    return Settings(
        secrets={name: InlineSecret(text="x") for name in secrets},
        config=dict.fromkeys(constants, "x"),
        calls_allow=hosts,
    )


CALLS = """\
states:
  ask:
    call: {url: "http://127.0.0.1:9000/{{ job.id }}"}
    compensate: {call: {method: DELETE, url: "http://crm.internal:8080/x"}}
    next: far
  far: {call: {url: "https://example.com/"}, next: any}
  any: {call: {url: "{{ input.url }}"}, next: end}
"""


def test_calls_that_the_settings_do_not_allow_are_named() -> None:
    told = [*undeclared(program_of(CALLS), settings_with([], []))]
    assert [text.partition(", which")[0] for text in told] == [
        "sample calls http://127.0.0.1:9000",
        "sample calls http://crm.internal:8080",
    ]
    assert [*undeclared(program_of(CALLS), settings_with([], [], "127.0.0.1:9000", "crm.internal:8080"))] == []


def test_what_the_settings_do_not_have_is_named() -> None:
    assert [*undeclared(program_of(TEXT), settings_with(["refund_key"], []))] == [
        "sample names the secret payments_key, which the settings do not declare",
        "sample reads config.shop, which the settings do not have",
    ]
    assert [*undeclared(program_of(TEXT), settings_with(["payments_key", "refund_key"], ["shop"]))] == []


async def test_it_is_told_when_the_blueprint_becomes_current(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with bench_of(TEXT, tmp_path, "memory", secrets={"refund_key": InlineSecret(text="x")}, config={"shop": "s"}):
        pass

    told = [record.message for record in caplog.records if "which the settings" in record.message]
    assert told == ["sample names the secret payments_key, which the settings do not declare"]
