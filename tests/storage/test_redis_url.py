"""What a Redis URL may say, and that its password is never shown."""

from __future__ import annotations

import pytest

from avtomat.storage.redis.wire.url import RedisAddress, RedisUrlError, parse_redis_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", RedisAddress()),
        ("redis://db.example:7000/3", RedisAddress(host="db.example", port=7000, db=3)),
        ("redis://:p%40ss@h", RedisAddress(host="h", password="p@ss")),
        ("redis://ann:secret@[::1]:1/", RedisAddress(host="::1", port=1, username="ann", password="secret")),
        ("redis://h?db=4", RedisAddress(host="h", db=4)),
        ("rediss://h?ssl_ca_certs=/ca.pem", RedisAddress(host="h", tls=True, tls_ca_file="/ca.pem")),
        ("unix:///run/redis.sock?db=2", RedisAddress(path="/run/redis.sock", db=2)),
    ],
)
def test_a_url_names_an_address(url: str, address: RedisAddress) -> None:
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://h/x",
        "redis://h:99999",
        "redis://h?ssl_ca_certs=x",
        "rediss://h?tls=no",
        "unix://h",
        "h:6379",
    ],
)
def test_a_url_that_names_no_address_is_refused(url: str) -> None:
    with pytest.raises(RedisUrlError):
        parse_redis_url(url)


def test_the_password_is_in_no_text_of_the_address() -> None:
    address = parse_redis_url("redis://ann:secret@h")
    assert "secret" not in f"{address} {address!r}"
