#!/usr/bin/env bash
# In jmespath (npm) no text starts with the empty text, unless it is empty itself – though each one ends with it; so a
# filter by a prefix that is left empty finds nothing there and everything in jmespath (PyPI).
# Expected: each text starts with the empty text, as in both host languages, and the two implementations of one query
# language agree.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" jmespath@0.16.0 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jmespath==1.1.0
cat >"$folder/ask.cjs" <<'NODE'
const { search } = require('jmespath')
const [data, ...queries] = process.argv.slice(2)
console.log(JSON.stringify(queries.map((query) => search(JSON.parse(data), query))))
NODE
"$folder/venv/bin/python" - "$folder/ask.cjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

import jmespath

names = ["", "disk", "net"]
queries = ["[?starts_with(@, '')]", "[?ends_with(@, '')]"]
print("jmespath (PyPI)", version("jmespath"), "| jmespath (npm) 0.16.0 | data:", names)
in_python = [jmespath.search(query, names) for query in queries]
command = ["node", sys.argv[1], json.dumps(names), *queries]
in_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
for query, by_python, by_node in zip(queries, in_python, in_node):
    print(query.ljust(22), "PyPI:", by_python, "npm:", by_node)
sys.exit((in_python, in_node) != ([names, names], [[""], names]))
PYTHON
