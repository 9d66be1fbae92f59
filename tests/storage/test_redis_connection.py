"""The connection's promises, on a real server that is stopped, continued and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from avtomat.storage.redis.script import script_of
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.errors import CommandError, LostReplyError, NotExecutedError, RefusedError, error_of
from avtomat.storage.redis.wire.link import ServerInfo
from avtomat.storage.redis.wire.socket import TICK_S
from avtomat.storage.redis.wire.subscriber import RedisSubscriber
from avtomat.storage.redis.wire.url import RedisAddress, parse_redis_url
from tests.servers import Daemon, RedisServer, free_port, stopped

Connect = Callable[..., Awaitable[RedisConnection]]


@pytest.fixture
async def connect(fresh_redis: RedisServer) -> AsyncIterator[Connect]:
    opened = []

    async def open_one(address: RedisAddress | None = None, **settings: object) -> RedisConnection:
        connection = RedisConnection(address or parse_redis_url(fresh_redis.url), **settings)  # type: ignore[arg-type]
        opened.append(connection)
        await connection.open()
        return connection

    yield open_one
    for connection in opened:
        await connection.aclose()


async def test_replies_are_the_bytes_that_were_stored(connect: Connect) -> None:
    redis = await connect()
    value = bytes(range(256)) * 100
    await redis.execute("SET", b"k\x00\r\n", value)
    assert await redis.execute("GET", b"k\x00\r\n") == value
    assert await redis.execute("GET", "absent") is None


async def test_each_caller_gets_its_own_reply(connect: Connect) -> None:
    redis = await connect()
    replies = await asyncio.gather(*(redis.execute("ECHO", str(number)) for number in range(2000)))
    assert replies == [str(number).encode() for number in range(2000)]


async def test_calls_of_one_turn_leave_in_one_write(connect: Connect) -> None:
    redis = await connect()
    before = await _reads_processed(redis)
    await asyncio.gather(*(redis.execute("PING") for _ in range(200)))
    assert await _reads_processed(redis) - before == 2  # the two hundred, and the question itself


async def test_an_error_reply_goes_to_its_caller_alone(connect: Connect) -> None:
    redis = await connect()
    wrong, right = await asyncio.gather(redis.execute("GET"), redis.execute("PING"), return_exceptions=True)
    assert isinstance(wrong, CommandError)
    assert wrong.word == "ERR"
    assert right == b"PONG"


async def test_an_answer_after_the_deadline_is_lost_and_shifts_no_other(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    redis = await connect()
    with stopped(fresh_redis), pytest.raises(LostReplyError):
        await redis.execute("INCR", "n", timeout_s=0.1)
    assert await redis.execute("ECHO", "x") == b"x"
    assert await redis.execute("GET", "n") == b"1"


async def test_a_cancelled_call_shifts_no_reply(connect: Connect) -> None:
    redis = await connect()
    cancelled = asyncio.create_task(redis.execute("ECHO", "cancelled"))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await redis.execute("ECHO", "next") == b"next"


async def test_a_server_that_says_nothing_is_left_and_found_again(connect: Connect, fresh_redis: RedisServer) -> None:
    redis = await connect(timeout_s=0.2)
    with stopped(fresh_redis), pytest.raises(LostReplyError, match="not answered for"):
        await redis.execute("PING", timeout_s=30)
    assert await redis.execute("PING", timeout_s=30) == b"PONG"


async def test_a_server_is_not_given_up_because_this_process_stood_still(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    def answer_while_nobody_reads() -> None:
        os.kill(fresh_redis.pid, signal.SIGCONT)
        time.sleep(1)

    redis = await connect(timeout_s=0.6)
    with stopped(fresh_redis):
        asyncio.get_running_loop().call_later(TICK_S / 2, answer_while_nobody_reads)
        asked = asyncio.create_task(redis.execute("PING"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(2 * TICK_S)  # noqa: ASYNC251 – so that the look at deadlines comes in the same turn, right after the standstill
        assert await asked == b"PONG"


async def test_a_server_that_owes_an_answer_is_known_to_be_away_until_it_answers(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    redis = await connect(timeout_s=0.4)
    assert redis.away() == ""
    with stopped(fresh_redis):
        assert redis.away() == ""
        asked = asyncio.create_task(redis.execute("PING", timeout_s=30))
        await asyncio.sleep(0.3)
        assert "not answered" in redis.away()
    await asyncio.gather(asked, return_exceptions=True)
    await redis.execute("PING", timeout_s=30)
    assert redis.away() == ""


async def test_a_call_that_was_sent_before_the_server_died_is_lost(connect: Connect, fresh_redis: RedisServer) -> None:
    redis = await connect()
    with stopped(fresh_redis):
        sent = asyncio.create_task(redis.execute("INCR", "n"))
        with pytest.raises(LostReplyError):
            await redis.execute("PING", timeout_s=0.1)
        fresh_redis.kill()
        with pytest.raises(LostReplyError):
            await sent
        fresh_redis.start()


async def test_a_call_without_a_server_is_not_executed_and_says_why(connect: Connect, fresh_redis: RedisServer) -> None:
    redis = await connect()
    fresh_redis.kill()
    with pytest.raises((NotExecutedError, LostReplyError)):
        await redis.execute("PING", timeout_s=0.3)  # the first one may find the end of the connection
    with pytest.raises(NotExecutedError, match=f"no connection to Redis at 127.0.0.1:{fresh_redis.port}"):
        await redis.execute("PING", timeout_s=0.3)


async def test_calls_that_gave_up_are_not_kept_while_the_server_is_away(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    redis = await connect(timeout_s=0.01)
    fresh_redis.kill()
    for _ in range(3):
        refused = await asyncio.gather(*(redis.execute("PING") for _ in range(100)), return_exceptions=True)
        assert all(isinstance(error, NotExecutedError | LostReplyError) for error in refused)
    assert len(redis._admission) == 0


async def test_a_call_made_while_the_server_is_away_is_executed_when_it_is_back(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    redis = await connect()
    fresh_redis.kill()
    with pytest.raises((NotExecutedError, LostReplyError)):
        await redis.execute("PING", timeout_s=0.2)
    waiting = asyncio.create_task(redis.execute("INCR", "n", timeout_s=20))
    await asyncio.to_thread(fresh_redis.start)
    assert await waiting == 1


async def test_another_run_of_the_server_is_told_before_any_call_reaches_it(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    told: list[ServerInfo] = []
    redis = await connect(on_server_changed=told.append)
    assert redis.server is not None
    first = redis.server.run_id
    fresh_redis.kill()
    fresh_redis.start()
    answer = await _until_executed(redis, "INFO", "server")
    assert [info.run_id for info in told] == [redis.server.run_id]
    assert redis.server.run_id != first
    assert redis.server.run_id in str(answer)


async def test_a_new_connection_to_the_same_run_changes_nothing(connect: Connect) -> None:
    told: list[ServerInfo] = []
    redis, other = await connect(on_server_changed=told.append), await connect()
    await other.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await _until_executed(redis, "PING") == b"PONG"
    assert told == []


async def test_calls_beyond_the_limit_wait_and_are_not_executed_after_their_deadline(
    connect: Connect, fresh_redis: RedisServer
) -> None:
    redis = await connect(commands_max=1)
    with stopped(fresh_redis):
        first = asyncio.create_task(redis.execute("INCR", "n"))
        await asyncio.sleep(0)
        with pytest.raises(NotExecutedError, match="too many calls"):
            await redis.execute("INCR", "n", timeout_s=0.1)
    assert await first == 1
    assert await redis.execute("GET", "n") == b"1"


@pytest.mark.parametrize("limits", [{"commands_max": 3}, {"bytes_max": 100}])
async def test_all_calls_pass_through_a_narrow_window(connect: Connect, limits: dict[str, int]) -> None:
    redis = await connect(**limits)
    replies = await asyncio.gather(*(redis.execute("INCR", "n") for _ in range(300)))
    assert sorted(replies) == list(range(1, 301))


async def test_a_waiting_call_that_is_cancelled_keeps_no_other_from_going(connect: Connect) -> None:
    redis = await connect(commands_max=1)
    calls = [asyncio.create_task(redis.execute("PING")) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[1:-1]:
        call.cancel()
    assert await calls[-1] == b"PONG"


async def test_a_script_that_the_server_does_not_know_is_taught(connect: Connect) -> None:
    redis = await connect()
    script = script_of("pair", b"return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    assert await redis.call(script, ["k"], [b"\xff"]) == [b"k", b"\xff", 1]
    await redis.execute("SCRIPT", "FLUSH")
    replies = await asyncio.gather(*(redis.call(script, ["k"], [b"\xff"]) for _ in range(50)))
    assert sorted(reply[2] for reply in replies) == list(range(2, 52))


async def test_memory_that_is_full_is_a_refusal_with_words_for_people(connect: Connect) -> None:
    redis = await connect()
    script = script_of("set", b"return redis.call('SET', KEYS[1], ARGV[1])")
    await redis.execute("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(RefusedError, match="give it more memory") as refused:
            await redis.call(script, ["k"], ["v"])
    finally:
        await redis.execute("CONFIG", "SET", "maxmemory", "0")
    assert refused.value.word == "OOM"
    assert await redis.execute("EXISTS", "k") == 0


async def test_a_master_that_became_a_replica_is_left(connect: Connect) -> None:
    redis, other = await connect(), await connect()
    await other.execute("REPLICAOF", "127.0.0.1", free_port())
    try:
        with pytest.raises(RefusedError, match="read-only replica") as refused:
            await redis.execute("SET", "k", "v")
        assert refused.value.word == "READONLY"
        with pytest.raises(NotExecutedError, match="read-only replica"):
            await redis.execute("PING", timeout_s=0.3)
    finally:
        await other.execute("REPLICAOF", "NO", "ONE")
    assert await redis.execute("PING") == b"PONG"


def test_each_word_of_refusal_means_that_nothing_happened() -> None:
    assert isinstance(error_of("LOADING Redis is loading the dataset in memory"), RefusedError)
    assert isinstance(error_of("MISCONF Redis is configured to save RDB snapshots"), NotExecutedError)
    assert not isinstance(error_of("WRONGTYPE Operation against a key"), NotExecutedError)


async def test_a_wrong_password_is_the_reason_why_opening_fails(fresh_redis: RedisServer) -> None:
    redis = RedisConnection(parse_redis_url(f"redis://ann:wrong@127.0.0.1:{fresh_redis.port}"))
    with pytest.raises(NotExecutedError, match="refuses this user name or password"):
        await redis.open(timeout_s=0.3)


async def test_user_password_and_database_of_the_url_are_used(connect: Connect, fresh_redis: RedisServer) -> None:
    admin = await connect()
    await admin.execute("ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all")
    ann = await connect(parse_redis_url(f"redis://ann:secret@127.0.0.1:{fresh_redis.port}/5"))
    await ann.execute("SET", "k", "v")
    assert await ann.execute("ACL", "WHOAMI") == b"ann"
    assert await admin.execute("EXISTS", "k") == 0


async def test_a_closed_connection_refuses_at_once(connect: Connect) -> None:
    redis = await connect()
    await redis.aclose()
    with pytest.raises(NotExecutedError, match="closed by us"):
        await redis.execute("PING", timeout_s=60)


@pytest.fixture
def special_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server that speaks TLS on a port and plain on a Unix socket."""
    port, files = free_port(), tmp_path
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *made, *subject], cwd=files, check=True, capture_output=True)
    tls = [
        "--tls-port",
        str(port),
        "--tls-cert-file",
        "cert.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-auth-clients",
        "no",
    ]
    plain = ["--port", "0", "--unixsocket", "redis.sock", "--bind", "127.0.0.1", "--tls-ca-cert-file", "cert.pem"]
    daemon = Daemon(["redis-server", *tls, *plain, "--save", ""], ready="eady to accept connections", cwd=files)
    yield port, files
    daemon.send(signal.SIGKILL)


async def test_tls_and_unix_sockets_reach_the_same_server(connect: Connect, special_server: tuple[int, Path]) -> None:
    port, files = special_server
    secure = await connect(parse_redis_url(f"rediss://localhost:{port}?ssl_ca_certs={files}/cert.pem"))
    local = await connect(parse_redis_url(f"unix://{files}/redis.sock"))
    await secure.execute("SET", "k", b"\x00" * 1_000_000)
    assert await local.execute("STRLEN", "k") == 1_000_000


async def test_a_certificate_that_nobody_vouches_for_is_refused(special_server: tuple[int, Path]) -> None:
    redis = RedisConnection(parse_redis_url(f"rediss://localhost:{special_server[0]}"))
    with pytest.raises(NotExecutedError, match="certificate verify failed"):
        await redis.open(timeout_s=0.5)


class Listener:
    """What a subscriber told, to be waited for."""

    def __init__(self, server: RedisServer, *channels: str) -> None:
        self.heard: asyncio.Queue[tuple[bytes, bytes] | str] = asyncio.Queue()
        self.subscriber = RedisSubscriber(
            parse_redis_url(server.url),
            channels,
            on_message=lambda channel, message: self.heard.put_nowait((channel, message)),
            on_gap=lambda: self.heard.put_nowait("gap"),
        )


async def test_messages_are_delivered_after_the_first_gap(connect: Connect, fresh_redis: RedisServer) -> None:
    listener, redis = Listener(fresh_redis, "a", "b"), await connect()
    await listener.subscriber.open()
    await redis.execute("PUBLISH", "b", b"\xff")
    await redis.execute("PUBLISH", "a", "")
    assert [await listener.heard.get() for _ in range(3)] == ["gap", (b"b", b"\xff"), (b"a", b"")]
    await listener.subscriber.aclose()


async def test_a_lost_subscription_comes_back_and_tells_of_the_gap(connect: Connect, fresh_redis: RedisServer) -> None:
    listener, redis = Listener(fresh_redis, "a"), await connect()
    await listener.subscriber.open()
    assert await listener.heard.get() == "gap"
    await redis.execute("CLIENT", "KILL", "TYPE", "pubsub")
    assert await listener.heard.get() == "gap"
    await redis.execute("PUBLISH", "a", "again")
    assert await listener.heard.get() == (b"a", b"again")
    await listener.subscriber.aclose()


async def test_a_subscription_that_is_lost_is_deaf_until_it_is_back(connect: Connect, fresh_redis: RedisServer) -> None:
    told: asyncio.Queue[bool | str] = asyncio.Queue()
    redis, subscriber = (
        await connect(),
        RedisSubscriber(
            parse_redis_url(fresh_redis.url),
            ["a"],
            on_message=lambda channel, message: None,
            on_gap=lambda: told.put_nowait("gap"),
            on_deaf=told.put_nowait,
        ),
    )
    await subscriber.open()

    await redis.execute("CLIENT", "KILL", "TYPE", "pubsub")

    assert [await told.get() for _ in range(5)] == [False, "gap", True, False, "gap"]
    await subscriber.aclose()


async def test_a_subscription_that_is_not_permitted_is_an_error(connect: Connect, fresh_redis: RedisServer) -> None:
    admin = await connect()
    await admin.execute("ACL", "SETUSER", "deaf", "on", ">x", "~*", "+@all", "resetchannels")
    subscriber = RedisSubscriber(
        parse_redis_url(f"redis://deaf:x@127.0.0.1:{fresh_redis.port}"),
        ["a"],
        on_message=lambda channel, message: None,
        on_gap=lambda: None,
    )
    with pytest.raises(NotExecutedError, match="does not permit"):
        await subscriber.open(timeout_s=0.3)


async def _reads_processed(redis: RedisConnection) -> int:
    info = (await redis.execute("INFO", "stats")).decode()
    line = next(line for line in info.splitlines() if line.startswith("total_reads_processed:"))
    return int(line.partition(":")[2])


async def _until_executed(redis: RedisConnection, *command: str) -> object:
    """Repeat what was lost with the old connection; the commands given here change nothing."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await redis.execute(*command)
            except LostReplyError:
                continue
