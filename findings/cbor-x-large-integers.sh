#!/usr/bin/env bash
# cbor-x (npm) writes a positive whole number from 2^32 on as a float, but a negative one of the same size as an
# integer; a time in milliseconds thus reaches Python as a float, which is no index, no range() and not an int to a
# strict model.
# Expected: CBOR has 64-bit integers and the number is exact, so it arrives as an integer on either side of zero. The
# README speaks of floats for numbers that are not whole only, and cbor2 writes the same value as an integer.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --omit=optional --prefix "$folder" \
    cbor-x@1.6.9 >"$folder/npm.log"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cbor2==6.3.0
cat >"$folder/write.cjs" <<'NODE'
const { encode } = require('cbor-x')
console.log(Buffer.from(encode([4294967295, 4294967296, -4294967296, 1767225600000])).toString('hex'))
NODE
written=$(node "$folder/write.cjs")
"$folder/venv/bin/python" - "$written" <<'PYTHON'
import sys
from importlib.metadata import version

import cbor2

read = cbor2.loads(bytes.fromhex(sys.argv[1]))
print("cbor-x 1.6.9, cbor2", version("cbor2"))
print("sent by cbor-x: [4294967295, 4294967296, -4294967296, 1767225600000] as", sys.argv[1])
print("read by cbor2: ", read)
print("cbor2 itself writes 4294967296 as", cbor2.dumps(4294967296).hex())
sys.exit([type(number) for number in read] != [int, float, int, float])
PYTHON
