"""Promises of what a worker may send on its socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import WSMsgType

from avtomat.api.workers import socket_budget
from avtomat.api.workers.socket_budget import BYTES_PER_S, FRAMES_MAX, FRAMES_PER_S, SocketBudget
from tests.api.conftest import Site

if TYPE_CHECKING:
    import pytest

LARGE = 10 * BYTES_PER_S


def test_frames_come_back_with_time() -> None:
    budget = SocketBudget(LARGE, 0.0)
    assert all(budget.take(2, 0.0) for _ in range(FRAMES_MAX))

    assert all(budget.take(2, 1.0) for _ in range(FRAMES_PER_S))
    assert not budget.take(2, 1.0)


def test_bytes_come_back_with_time() -> None:
    budget = SocketBudget(LARGE, 0.0)
    assert budget.take(LARGE, 0.0)

    assert budget.take(BYTES_PER_S, 1.0)
    assert not budget.take(1, 1.0)


async def test_a_socket_that_sends_too_many_frames_is_closed_and_others_are_served(site: Site) -> None:
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        for _ in range(3 * FRAMES_MAX):
            if socket.closed:
                break
            try:
                await socket.send_str("{}")
            except ConnectionError:
                break
        assert (await site.get("/healthz")).status == 200
        while (await socket.receive()).type is WSMsgType.TEXT:
            pass

    assert socket.close_code in {1008, 1006}  # 1006 where the connection ends before its last words are read


async def test_a_large_message_is_answered_and_a_larger_one_closes_the_socket(site: Site) -> None:
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        await socket.send_str("[" * 900_000)
        assert (await socket.receive_json())["code"].startswith("request.")
        await socket.send_str('"' + "x" * site.engine.settings.body_bytes_max + '"')
        await socket.receive()

    assert socket.close_code == 1009


async def test_a_socket_whose_client_reads_is_told_1008(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_budget, "FRAMES_MAX", 5)
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        for _ in range(7):
            await socket.send_str("{}")
        while (await socket.receive()).type is WSMsgType.TEXT:
            pass

    assert socket.close_code == 1008
