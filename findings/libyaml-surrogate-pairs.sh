#!/usr/bin/env bash
# The C parser of ruamel.yaml (libyaml) refuses JSON that is valid: a character past U+FFFF that is escaped as a pair of
# surrogates, as json.dumps of Python writes it by default. YAML 1.2 is meant to hold JSON (RFC 8259, section 7).
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ruamel.yaml==0.19.1 ruamel.yaml.clib==0.2.15
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
from importlib.metadata import version

from ruamel.yaml.cyaml import CParser
from ruamel.yaml.error import MarkedYAMLError

text = json.dumps({"face": "\U0001f600"})
print("ruamel.yaml", version("ruamel.yaml"), "ruamel.yaml.clib", version("ruamel.yaml.clib"))
print("input:", text, "| read by json:", ascii(json.loads(text)["face"]))
parser = CParser(text)
try:
    while parser.check_event():
        parser.get_event()
except MarkedYAMLError as problem:
    print("read by libyaml:", problem.problem)
    sys.exit(0)
print("read by libyaml: taken")
sys.exit(1)
PYTHON
