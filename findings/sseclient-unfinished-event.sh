#!/usr/bin/env bash
# sseclient-py gives out an event that the server never finished: when the connection ends in the middle of an event,
# the part that has arrived comes as a whole event, even one whose last line is cut in its middle.
# Expected: an event ends with an empty line; the HTML standard (server-sent events, "parsing an event stream")
# discards the block that is pending at the end of the stream, as httpx-sse does, so that a reconnection brings it
# again.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sseclient-py==1.9.0 httpx==0.28.1 httpx-sse==0.4.3
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import httpx
import sseclient
from httpx_sse import EventSource

STREAM = b"id: 1\ndata: whole\n\nid: 2\ndata: pay 10"  # the server was about to write "data: pay 1000\n\n"

print("sseclient-py", version("sseclient-py"), "httpx-sse", version("httpx-sse"))
answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=STREAM)
discarding = [(event.id, event.data) for event in EventSource(answer).iter_sse()]
print("httpx-sse:   ", discarding)
keeping = [(event.id, event.data) for event in sseclient.SSEClient(iter([STREAM])).events()]
print("sseclient-py:", keeping)
sys.exit((discarding, keeping) != ([("1", "whole")], [("1", "whole"), ("2", "pay 10")]))
PYTHON
