"""What is not on the internet at large is refused, however it is written; nothing is connected to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from avtomat.runtime.outgoing.addresses import Allowed, Refused, is_global
from avtomat.runtime.outgoing.client import Bounds, Outgoing
from avtomat.runtime.outgoing.messages import Reason, Request, Unanswered
from avtomat.runtime.outgoing.urls import read_url

HOSTILE = (
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./", "http://0/",
    "http://0.0.0.0/", "http://0x0/", "http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/",
    "http://172.31.255.255/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://2852039166/",
    "http://0xa9fea9fe/", "http://100.64.0.1/", "http://100.127.255.255/", "http://192.0.0.1/", "http://192.0.2.1/",
    "http://198.18.0.1/", "http://198.51.100.7/", "http://203.0.113.7/", "http://224.0.0.1/", "http://239.1.2.3/",
    "http://240.0.0.1/", "http://255.255.255.255/", "http://192.88.99.1/", "http://[::1]/", "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:8.8.8.8]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::1]/", "http://[2001::1]/", "http://[2001:db8::1]/", "http://[fe80::1]/", "http://[fec0::1]/",
    "http://[fe80::1%25eth0]/", "http://[fc00::1]/", "http://[fd12:3456::1]/", "http://[ff02::1]/", "http://[100::1]/",
    "http://[3fff::1]/", "http://[5f00::1]/", "http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/",
    "http://user@8.8.8.8/", "http://user:secret@8.8.8.8/", "http://:@8.8.8.8/", "http://8.8.8.8:22/",
    "http://8.8.8.8:6379/", "http://8.8.8.8:0/", "http://8.8.8.8:65536/", "http://8.8.8.8:+80/", "https://8.8.8.8:8443/",
    "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "data:text/plain,x", "javascript:1", "//8.8.8.8/",
    "8.8.8.8", "", "http://", "http:///x", "http:8.8.8.8", "unix:///run/docker.sock", "http://8.8.8.8\\@127.0.0.1/",
    "http://8.8.8.8 /", "http://8.8.8.8/\r\nHost: x", "http://8.8.8.8/\x00", "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/", "http://[::1/", "http://[v1.x]/", "http://" + "a" * 9_000,
)  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_address_is_refused_and_nothing_is_connected_to(url: str) -> None:
    async def loopback(host: str, port: int, family: int) -> Sequence[str]:
        return ["127.0.0.1"]  # whatever is left to a resolver leads home

    client = Outgoing(Allowed(), Bounds(), loopback)

    answer = await client.send(Request(method="GET", url=url, headers={}), timeout_s=5)
    await client.close()

    assert isinstance(answer, Unanswered)
    assert answer.reason is Reason.REFUSED
    assert not answer.sent


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["2606:4700::1111", "fe80::1"], ["::ffff:8.8.8.8"],
        ["169.254.169.254"], ["8.8.8.8", "8.8.4.4", "0.0.0.0"], ["fe80::1%eth0"], ["no address"],
    ],
)  # fmt: skip
async def test_one_bad_answer_of_the_resolver_refuses_the_host(answers: Sequence[str]) -> None:
    async def lookup(host: str, port: int, family: int) -> Sequence[str]:
        return answers

    client = Outgoing(Allowed(), Bounds(), lookup)

    answer = await client.send(Request(method="GET", url="http://good.example/", headers={}), timeout_s=5)
    await client.close()

    assert isinstance(answer, Unanswered)
    assert answer.reason is Reason.REFUSED
    assert answers[0] not in answer.message


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1", "100.128.0.1"])
def test_addresses_of_the_internet_are_global(text: str) -> None:
    assert is_global(ip_address(text))


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1/"),
        ("127.0.0.0/8", "http://127.9.9.9/"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("::1", "http://[::1]/"),
        ("crm.internal:8080", "http://CRM.internal:8080/x"),
        ("fd00::/8", "http://[fd00::7]/"),
    ],
)
def test_what_settings_list_is_allowed(entry: str, url: str) -> None:
    assert read_url(url, Allowed([entry])).host is not None


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/"),
        ("127.0.0.1:8080", "http://127.0.0.1/"),
        ("127.0.0.1", "http://127.0.0.2/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("crm.internal:8080", "http://other.internal:8080/"),
        ("crm.internal:8080", "http://crm.internal:8081/"),
    ],
)
def test_what_settings_do_not_list_stays_refused(entry: str, url: str) -> None:
    with pytest.raises(Refused):
        read_url(url, Allowed([entry]))


def test_a_listed_port_is_allowed_everywhere_on_the_internet() -> None:
    allowed = Allowed(ports=[443, 8443])

    assert read_url("https://8.8.8.8:8443/", allowed).port == 8443
    with pytest.raises(Refused):
        read_url("http://8.8.8.8/", allowed)
