#!/usr/bin/env bash
# json-merge-patch (PyPI) makes an empty patch of a change from 1 to true or from false to 0, so that the change is lost
# for whoever applies the patch.
# Expected: numbers and booleans are different values in JSON, and merging a document with the patch from it to a second
# one gives the second (RFC 7396). json-merge-patch for npm makes the patch {"retries":true,"dry_run":0} of the same.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet json-merge-patch==0.3.0
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" json-merge-patch@1.0.2 >"$folder/npm.log"
cat >"$folder/make.cjs" <<'NODE'
const { generate } = require('json-merge-patch')
console.log(JSON.stringify(generate({ retries: 1, dry_run: false }, { retries: true, dry_run: 0 })))
NODE
other=$(node "$folder/make.cjs")
"$folder/venv/bin/python" - "$other" <<'PYTHON'
import json
import sys
from importlib.metadata import version

import json_merge_patch

before = {"retries": 1, "dry_run": False}
after = {"retries": True, "dry_run": 0}
patch = json_merge_patch.create_patch(dict(before), dict(after))
print("json-merge-patch", version("json-merge-patch"), "for Python, 1.0.2 for Node.js")
print("from", json.dumps(before), "to", json.dumps(after))
print("patch in Python: ", json.dumps(patch))
print("patch in Node.js:", sys.argv[1])
print("merged in Python:", json.dumps(json_merge_patch.merge(dict(before), patch)))
sys.exit(not (patch == {} and json.loads(sys.argv[1]) == after))
PYTHON
