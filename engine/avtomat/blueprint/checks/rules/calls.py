"""The rules about requests: what is written out of them can be sent."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.checks.shape import span_of_key
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import entries_of, part_of, text_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.calls import HEADERS_OF_SIGNATURES, HEADERS_OF_THE_ENGINE


def requests_can_be_sent(subject: Subject) -> Iterator[Finding]:
    """A url that begins with what is called, one kind of `auth`, no header that the engine sets itself, and a signature
    that can be made.
    """
    for state in subject.states:
        for call in (state.part("call"), part_of(state.part("compensate"), "call")):
            if call is not None:
                yield from _of_url(part_of(call, "url"))
                yield from _of_auth(part_of(call, "auth"))
                yield from _of_headers(part_of(call, "headers"))
                yield from _of_sign(part_of(call, "sign"), part_of(call, "headers"))


def _of_url(node: Node | None) -> Iterator[Finding]:
    text = text_of(node)
    if node is None or text is None or text.lstrip().startswith("{{"):
        return
    written = text.partition("{{")[0]
    if not written.lower().startswith(("http://", "https://")):
        message = f"the url should begin with https:// or http://, not {written[:40] or 'nothing'}"
        yield codes.BAD_REQUEST.at(node.span, message, "write the whole address, such as https://example.com/orders")
    elif "@" in _authority_of(written):
        yield codes.BAD_REQUEST.at(node.span, "the url has user information", "write it in `auth`, from a secret")


def _authority_of(text: str) -> str:
    try:
        return urlsplit(text).netloc
    except ValueError:
        return ""


def _of_auth(node: Node | None) -> Iterator[Finding]:
    there = {key for key, _ in entries_of(node)}
    if node is None or there in ({"bearer"}, {"username", "password"}):
        return
    message = "`auth` is a `bearer`, or a `username` with a `password`"
    yield codes.BAD_REQUEST.at(node.span, message, 'write auth: {bearer: "{{ secrets.name }}"}')


def _of_headers(node: Node | None) -> Iterator[Finding]:
    for name, _ in entries_of(node):
        if name.lower() in HEADERS_OF_THE_ENGINE:
            assert node is not None
            message = f"the header {name} is set by the engine itself"
            yield codes.BAD_REQUEST.at(span_of_key(node, name), message, "leave it out")


def _of_sign(sign: Node | None, headers: Node | None) -> Iterator[Finding]:
    if sign is None:
        return
    identity = part_of(sign, "id")
    text = text_of(identity)
    if identity is not None and text is not None and "." in text.partition("{{")[0]:
        message = "the id of a signed message has a dot, which stands between the parts of what is signed"
        yield codes.BAD_REQUEST.at(identity.span, message, "write - or _ instead")
    for name, _ in entries_of(headers):
        if name.lower() in HEADERS_OF_SIGNATURES:
            assert headers is not None
            message = f"the header {name} is made by `sign`"
            yield codes.BAD_REQUEST.at(span_of_key(headers, name), message, "leave it out")
