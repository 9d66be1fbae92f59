#!/usr/bin/env bash
# ruamel.yaml reads "! 12" as the number 12, although it is the example by which YAML 1.2 (section 6.9.1, node tags,
# the non-specific tag "!") shows how to write the text "12" without quotes.
# Expected: a scalar tagged "!" is a text, as both npm libraries read it.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    yaml@2.9.1 js-yaml@5.5.0 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ruamel.yaml==0.19.1
cat >"$folder/read.cjs" <<'NODE'
console.log(JSON.stringify([require('yaml').parse(process.argv[2]), require('js-yaml').load(process.argv[2])]))
NODE
"$folder/venv/bin/python" - "$folder/read.cjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

from ruamel.yaml import YAML

text = '[ "12", 12, ! 12 ]'
in_python = YAML(typ="safe", pure=True).load(text)
in_node = json.loads(subprocess.run(["node", sys.argv[1], text], check=True, capture_output=True, text=True).stdout)
print("ruamel.yaml", version("ruamel.yaml"), "| yaml (npm) 2.9.1 | js-yaml (npm) 5.5.0 | input:", text)
print("ruamel.yaml:", in_python)
print("yaml, js-yaml:", *in_node)
sys.exit((in_python, in_node) != (["12", 12, 12], [["12", 12, "12"]] * 2))
PYTHON
