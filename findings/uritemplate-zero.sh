#!/usr/bin/env bash
# uritemplate (PyPI) writes the number 0 as nothing in a query, so a link to page 0 becomes "?page="; in a path it
# writes 0.
# Expected: RFC 6570 turns a number into its text and knows no number that counts as empty, so "{?page}" is "?page=0",
# as url-template (npm) has it.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" url-template@3.1.1 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uritemplate==4.2.0
cat >"$folder/expand.mjs" <<'NODE'
import { parseTemplate } from 'url-template'
console.log(JSON.stringify(process.argv.slice(2).map((template) => parseTemplate(template).expand({ page: 0 }))))
NODE
"$folder/venv/bin/python" - "$folder/expand.mjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

from uritemplate import expand

templates = ["/jobs{?page}", "/jobs{;page}", "/jobs{/page}", "/jobs/{page}"]
in_python = [expand(template, page=0) for template in templates]
command = ["node", sys.argv[1], *templates]
in_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
print("uritemplate", version("uritemplate"), "| url-template (npm) 3.1.1 | page is 0")
for template, by_python, by_node in zip(templates, in_python, in_node):
    print(template, "| uritemplate:", by_python, "| url-template:", by_node)
sys.exit((in_python[0], in_node[0], in_python[3]) != ("/jobs?page=", "/jobs?page=0", "/jobs/0"))
PYTHON
