#!/usr/bin/env bash
# The two official CloudEvents SDKs do not read each other's binary HTTP events: the Python SDK percent-encodes an
# attribute in its header ("two words" becomes "two%20words") and decodes on the way in; the JavaScript SDK does
# neither.
# Expected: the HTTP protocol binding of CloudEvents 1.0 (section 3.1.3.2) demands the encoding of spaces, quotes,
# percent signs and non-ASCII characters, so an attribute is the same text on both sides.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" cloudevents@10.0.0 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cloudevents==2.2.0
cat >"$folder/read.cjs" <<'NODE'
const { HTTP, CloudEvent } = require('cloudevents')
const received = HTTP.toEvent({ headers: JSON.parse(process.argv[2]), body: process.argv[3] })
const sent = HTTP.binary(new CloudEvent({ id: '2', type: 'order.paid', source: '/shop', subject: 'a%20b', data: {} }))
console.log(JSON.stringify([received.subject, sent.headers]))
NODE
"$folder/venv/bin/python" - "$folder/read.cjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent

attributes = {"specversion": "1.0", "id": "1", "type": "order.paid", "source": "/shop", "subject": "two words"}
event = CloudEvent(attributes, {})
message = to_binary_event(event)
headers = {**message.headers, "content-type": "application/json"}
command = ["node", sys.argv[1], json.dumps(headers), message.body.decode()]
read_by_node, sent_by_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
print("cloudevents (PyPI)", version("cloudevents"), "| cloudevents (npm) 10.0.0")
print("Python sends 'two words' as", headers["ce-subject"], "| JavaScript reads", repr(read_by_node))
read_by_python = from_binary_event(HTTPMessage(sent_by_node, b"{}")).get_subject()
print("JavaScript sends 'a%20b' as", sent_by_node["ce-subject"], "| Python reads", repr(read_by_python))
sys.exit((read_by_node, read_by_python) != ("two%20words", "a b"))
PYTHON
