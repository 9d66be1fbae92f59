#!/usr/bin/env bash
# requests cuts the address of a Link header at a semicolon: Response.links still has a "next", but its address has
# lost the page, so a client that follows it is given the first page again and again.
# Expected: the address stands between < and >, where RFC 8288 takes any URI; RFC 3986 allows ";" in a path and in a
# query. http-link-header (npm) reads the same header as meant.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" http-link-header@1.1.4 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet requests==2.34.2
cat >"$folder/read.cjs" <<'NODE'
console.log(JSON.stringify(require('http-link-header').parse(process.argv[2]).rel('next').map((link) => link.uri)))
NODE
"$folder/venv/bin/python" - "$folder/read.cjs" <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import version

import requests


def links(header: str) -> dict[str, dict[str, str]]:
    """The links of a response with this header, as requests sees them."""
    response = requests.Response()
    response.headers["Link"] = header
    return response.links


plain = '<https://api.example/jobs?sort=name&page=2>; rel="next"'
with_semicolon = '<https://api.example/jobs?sort=name;page=2>; rel="next"'
print("requests", version("requests"), "| http-link-header (npm) 1.1.4")
for header in (plain, with_semicolon):
    command = ["node", sys.argv[1], header]
    in_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(header, "\n  requests:", links(header), "\n  http-link-header, next:", in_node)
seen = [links(header)["next"]["url"] for header in (plain, with_semicolon)]
expected = ["https://api.example/jobs?sort=name&page=2", "https://api.example/jobs?sort=name"]
sys.exit((seen, in_node) != (expected, ["https://api.example/jobs?sort=name;page=2"]))
PYTHON
