#!/usr/bin/env bash
# pycron (which taskiq schedules by) takes 7 as a day of the week without an error and never runs on it: "5-7" runs on
# Friday and Saturday only, and "7" alone runs never.
# Expected: 7 is Sunday, as in crontab(5) and in croniter, or it is refused. pycron describes itself as a
# cron-like parser.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycron==3.3.0 croniter==7.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timedelta
from importlib.metadata import version

import pycron
from croniter import croniter

WEEK = [datetime(2026, 6, 1) + timedelta(days=day) for day in range(7)]  # Monday to Sunday
seen = {}
print("pycron", version("pycron"), "croniter", version("croniter"))
for expression in ("0 0 * * 0", "0 0 * * 7", "0 0 * * 5-7"):
    by_pycron = " ".join(f"{day:%a}" for day in WEEK if pycron.is_now(expression, day))
    by_croniter = " ".join(f"{day:%a}" for day in WEEK if croniter.match(expression, day))
    seen[expression] = (by_pycron, by_croniter)
    print(expression.ljust(11), "pycron:", by_pycron or "never", "| croniter:", by_croniter)
expected = {"0 0 * * 0": ("Sun", "Sun"), "0 0 * * 7": ("", "Sun"), "0 0 * * 5-7": ("Fri Sat", "Fri Sat Sun")}
sys.exit(seen != expected)
PYTHON
