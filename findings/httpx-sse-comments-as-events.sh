#!/usr/bin/env bash
# httpx-sse hands the keep-alive comments of a server on as events with empty data, from the first event with an id
# on.
# Expected: a comment is never an event. The HTML standard (server-sent events, "dispatch the event") drops a block
# whose data is empty, and sse-starlette sends its ping as such a comment; so a client that reads JSON from each event
# works with a server that numbers no events, and fails at the first pause of one that does.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet httpx==0.28.1 httpx-sse==0.4.3 sse-starlette==3.7.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import httpx
from httpx_sse import connect_sse
from sse_starlette import ServerSentEvent

PING = ServerSentEvent(comment="ping").encode()


def read(*sent: bytes) -> list[tuple[str, str, str]]:
    """The events that the client sees of what the server sent."""
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(sent))
    with httpx.Client(transport=httpx.MockTransport(lambda request: answer)) as client:
        with connect_sse(client, "GET", "http://server.example/events") as source:
            return [(event.event, event.data, event.id) for event in source.iter_sse()]


print("httpx-sse", version("httpx-sse"), "sse-starlette", version("sse-starlette"))
print("a ping as the server sends it:", PING)
without_id = read(ServerSentEvent(data='{"n": 1}').encode(), PING, PING)
print("an event without id, two pings:", without_id)
with_id = read(ServerSentEvent(data='{"n": 1}', id="7").encode(), PING, PING)
print("an event with an id, two pings:", with_id)
sys.exit((len(without_id), with_id[1:]) != (1, [("message", "", "7")] * 2))
PYTHON
