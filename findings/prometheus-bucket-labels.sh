#!/usr/bin/env bash
# Two services with the same histogram and the same buckets do not have the same series: prom-client (npm) writes the
# bound 1 as le="1" and prometheus-client (PyPI) as le="1.0". A sum by (le) over both keeps each whole bound twice,
# with half of the observations, while 0.5 and +Inf add up; a quantile from such a sum is wrong.
# Expected: le is a number, so one bound has one spelling whichever client wrote it. (A Prometheus server from version
# 3 on evens them out as it stores them; other readers of the text see two series.)
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" prom-client@15.1.3 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prometheus-client==0.26.0
cat >"$folder/write.cjs" <<'NODE'
const { Histogram, register } = require('prom-client')
new Histogram({ name: 'wait_seconds', help: 'Waiting time.', buckets: [0.5, 1, 10] }).observe(0.7)
register.metrics().then((text) => process.stdout.write(text))
NODE
"$folder/venv/bin/python" - "$folder/write.cjs" <<'PYTHON'
import subprocess
import sys
from collections import Counter
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

registry = CollectorRegistry()
Histogram("wait_seconds", "Waiting time.", buckets=[0.5, 1, 10], registry=registry).observe(0.7)
from_python = generate_latest(registry).decode()
from_node = subprocess.run(["node", sys.argv[1]], check=True, capture_output=True, text=True).stdout
summed: Counter[str] = Counter()
for text in (from_python, from_node):
    for family in text_string_to_metric_families(text):
        summed.update({sample.labels["le"]: int(sample.value) for sample in family.samples if "le" in sample.labels})
print("prometheus-client (PyPI)", version("prometheus-client"), "| prom-client (npm) 15.1.3")
print("both observed 0.7 once; the sum by (le):", dict(summed))
sys.exit(dict(summed) != {"0.5": 0, "1.0": 1, "10.0": 1, "+Inf": 2, "1": 1, "10": 1})
PYTHON
