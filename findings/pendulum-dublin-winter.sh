#!/usr/bin/env bash
# In Ireland, pendulum says that daylight saving time is on in winter and off in summer; moment-timezone says the
# opposite.
# Expected: both read the same IANA time zone and both show 00:00 in January and +01:00 in July, so is_dst() agrees
# too. The source data calls Irish summer time the standard time and the winter one hour "negative" saving; the
# package tzdata passes that on, while data for programs without negative saving turns it round.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" moment-timezone@0.6.6 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pendulum==3.3.0 tzdata==2026.6
cat >"$folder/ask.cjs" <<'NODE'
const moment = require('moment-timezone')
const times = ['2026-01-15T12:00', '2026-07-15T12:00'].map((time) => moment.tz(time, 'Europe/Dublin'))
console.log(JSON.stringify(times.map((time) => [time.format('Z'), time.isDST()])))
NODE
in_node=$(node "$folder/ask.cjs")
PYTHONTZPATH="" "$folder/venv/bin/python" - "$in_node" <<'PYTHON'
import json
import sys
from importlib.metadata import version

import pendulum

in_node = json.loads(sys.argv[1])
times = [pendulum.datetime(2026, month, 15, 12, tz="Europe/Dublin") for month in (1, 7)]
in_python = [[time.format("Z"), time.is_dst()] for time in times]
print("pendulum", version("pendulum"), "tzdata", version("tzdata"), "| moment-timezone 0.6.6")
print("Europe/Dublin in January and July, offset and is_dst")
print("pendulum:       ", in_python)
print("moment-timezone:", in_node)
expected = [["+00:00", True], ["+01:00", False]], [["+00:00", False], ["+01:00", True]]
sys.exit((in_python, in_node) != expected)
PYTHON
