#!/usr/bin/env bash
# Prove that the wheel holds all that an installed Avtomat needs: build it, install it alone, ask it for a schema.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" .
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/*.whl

cd "$work" # away from the repository, so that nothing of it is found by chance
for name in $("$work/venv/bin/avtomat" schema --list); do
  "$work/venv/bin/avtomat" schema "$name" | "$python" -m json.tool >/dev/null
done
"$work/venv/bin/avtomat" schema blueprint | grep '"\$schema"' >/dev/null
"$work/venv/bin/avtomat" init project >/dev/null
"$work/venv/bin/avtomat" validate project/workflows
"$work/venv/bin/avtomat" test project/workflows
"$work/venv/bin/avtomat" conformance worker --list >/dev/null
"$work/venv/bin/avtomat" --version
echo "The wheel works in a clean virtual environment."
