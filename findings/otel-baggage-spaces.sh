#!/usr/bin/env bash
# Baggage does not survive the way between two OpenTelemetry services in different languages: the Python API writes a
# space as "+" and reads "+" as a space, while the JavaScript API takes "+" for what it is.
# Expected: W3C Baggage percent-encodes a space (%20) and counts "+" among the plain characters of a value, so both
# official propagators read what the other one wrote.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opentelemetry-api==1.45.2
cat >"$folder/read.cjs" <<'NODE'
const { propagation, ROOT_CONTEXT, defaultTextMapGetter } = require('@opentelemetry/api')
const { W3CBaggagePropagator } = require('@opentelemetry/core')
const context = new W3CBaggagePropagator().extract(ROOT_CONTEXT, { baggage: process.argv[2] }, defaultTextMapGetter)
process.stdout.write(propagation.getBaggage(context).getEntry('plan').value)
NODE
"$folder/venv/bin/python" - "$folder/read.cjs" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator

propagator = W3CBaggagePropagator()
header: dict[str, str] = {}
propagator.inject(header, context=baggage.set_baggage("plan", "two words"))
print("opentelemetry-api (PyPI)", version("opentelemetry-api"), "| @opentelemetry/core (npm) 2.12.1")
in_node = subprocess.run(["node", sys.argv[1], header["baggage"]], check=True, capture_output=True, text=True).stdout
print("Python sends 'two words' as", header["baggage"], "| JavaScript reads", repr(in_node))
in_python = baggage.get_baggage("plan", propagator.extract({"baggage": "plan=a+b"}))
in_node_too = subprocess.run(["node", sys.argv[1], "plan=a+b"], check=True, capture_output=True, text=True).stdout
print("plan=a+b | Python reads", repr(in_python), "| JavaScript reads", repr(in_node_too))
sys.exit((in_node, in_python, in_node_too) != ("two+words", "a b", "a+b"))
PYTHON
