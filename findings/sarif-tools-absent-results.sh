#!/usr/bin/env bash
# sarif-tools counts a result that the report itself calls gone: with baselineState "absent" (found in the baseline,
# no longer found by this run) it is listed among the errors, and "sarif --check error" ends with 1 for a problem that
# is mended.
# Expected: in SARIF 2.1.0 an absent result is one of the baseline that this run did not find, so a check of this run
# passes. The documentation of sarif-tools does not speak of baselineState.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile sarif-tools==3.0.5
cat >"$folder/mended.sarif" <<'SARIF'
{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "checker", "rules": [{"id": "R1"}]}},
 "baselineGuid": "0f5d3c1e-4c1b-4d6e-9c62-3f1d6c1f8a10",
 "results": [{"ruleId": "R1", "level": "error", "baselineState": "absent",
  "message": {"text": "a problem of last week"}}]}]}
SARIF
echo "sarif-tools 3.0.5, one result with baselineState absent"
code=0
"$folder/venv/bin/sarif" --check error summary "$folder/mended.sarif" >"$folder/summary" || code=$?
sed 's/^/  /' "$folder/summary"
echo "exit code of the check: $code"
test "$code" = 1 && grep -q '^error: 1$' "$folder/summary"
