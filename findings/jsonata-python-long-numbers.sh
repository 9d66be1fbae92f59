#!/usr/bin/env bash
# jsonata-python rounds a whole number of 16 digits to 15 when it becomes text: two orders with the numbers
# 1234567890123456 and 1234567890123457 get the same key "order-1.23456789012346e+15".
# Expected: both numbers are exact (below 2^53) and stay apart, as in JSONata for JavaScript, of which it is a port;
# inside an object, $string() of jsonata-python itself writes all 16 digits.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" jsonata@2.2.2 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jsonata-python==0.7.1
cat >"$folder/evaluate.cjs" <<'NODE'
const jsonata = require('jsonata')
const [data, ...expressions] = process.argv.slice(2)
Promise.all(expressions.map((expression) => jsonata(expression).evaluate(JSON.parse(data))))
  .then((values) => console.log(JSON.stringify(values)))
NODE
"$folder/venv/bin/python" - "$folder/evaluate.cjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

from jsonata import Jsonata

data = {"number": 1234567890123456}
expressions = ['"order-" & number', '"order-" & (number + 1)', "$string($)"]
in_python = [Jsonata(expression).evaluate(data) for expression in expressions]
command = ["node", sys.argv[1], json.dumps(data), *expressions]
in_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
print("jsonata-python", version("jsonata-python"), "| jsonata (npm) 2.2.2 | data:", data)
for expression, by_python, by_node in zip(expressions, in_python, in_node):
    print(expression, "| jsonata-python:", by_python, "| jsonata:", by_node)
whole = '{"number":1234567890123456}'
expected = ["order-1.23456789012346e+15"] * 2 + [whole], ["order-1234567890123456", "order-1234567890123457", whole]
sys.exit((in_python, in_node) != expected)
PYTHON
