#!/usr/bin/env bash
# cel-python loses the fraction of a second when a time or a duration becomes text; a time is thus not equal to itself
# once it has been written out and read again.
# Expected: CEL writes both so that they can be read back (a time as in RFC 3339, a duration in seconds), with the
# fraction, as @bufbuild/cel does. cel-python itself holds the fraction: getMilliseconds() shows it.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" @bufbuild/cel@0.6.1 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cel-python==0.5.0
cat >"$folder/run.mjs" <<'NODE'
import { run } from '@bufbuild/cel'
console.log(JSON.stringify(process.argv.slice(2).map((expression) => String(run(expression)))))
NODE
"$folder/venv/bin/python" - "$folder/run.mjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

import celpy

EXPRESSIONS = [
    "string(timestamp('2026-03-01T00:00:00.5Z'))",
    "string(duration('1.5s'))",
    "timestamp('2026-03-01T00:00:00.5Z').getMilliseconds()",
    "timestamp(string(timestamp('2026-03-01T00:00:00.5Z'))) == timestamp('2026-03-01T00:00:00.5Z')",
]


def evaluate(expression: str) -> str:
    """The value of the expression by cel-python, as text."""
    environment = celpy.Environment()
    return str(environment.program(environment.compile(expression)).evaluate({}))


print("cel-python", version("cel-python"), "| @bufbuild/cel 0.6.1")
in_python = [evaluate(expression) for expression in EXPRESSIONS]
command = ["node", sys.argv[1], *EXPRESSIONS]
in_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
for expression, by_python, by_node in zip(EXPRESSIONS, in_python, in_node):
    print(expression, "| cel-python:", by_python, "| @bufbuild/cel:", by_node)
sys.exit((in_python, in_node[0], in_node[1]) !=
         (["2026-03-01T00:00:00Z", "1s", "500", "False"], "2026-03-01T00:00:00.500Z", "1.500s"))
PYTHON
