"""The servers that other tests stand on keep their own promises."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests.servers import RedisServer, free_port


def test_redis_keeps_what_it_answered_over_kill_and_start(fresh_redis: RedisServer) -> None:
    assert fresh_redis.command("SET kept yes") == "+OK"

    fresh_redis.kill()
    assert not fresh_redis.running
    fresh_redis.start()

    assert fresh_redis.command("EXISTS kept") == ":1"


def test_fresh_redis_is_empty_and_runs_whatever_the_test_before_did(redis_server: RedisServer) -> None:
    redis_server.command("SET left behind")
    redis_server.kill()

    redis_server.flush()

    assert redis_server.command("DBSIZE") == ":0"


def test_postgres_listens_where_its_dsn_says(postgres_dsn: str) -> None:
    place = urlsplit(postgres_dsn)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=5) as connection:
        connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest: the shortest thing that it answers

        assert connection.recv(1) in {b"S", b"N"}


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert listener.getsockname()[1] > 0
