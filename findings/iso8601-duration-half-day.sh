#!/usr/bin/env bash
# iso8601-duration (npm) refuses "P0.5D", which its README gives as an example of what it reads; a fraction of a day or
# of a week is always an invalid duration to it, a fraction of an hour, a minute or a second is not.
# Expected: ISO 8601 allows a fraction at the smallest unit, whichever that is, and the README says the same. tinyduration
# and isodate for Python read it as half a day.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    iso8601-duration@2.1.4 tinyduration@3.4.1 >"$folder/npm.log"
cat >"$folder/read.cjs" <<'NODE'
const { parse, toSeconds } = require('iso8601-duration')
const other = require('tinyduration')

function read(text) {
  try {
    return toSeconds(parse(text))
  } catch (error) {
    return error.message
  }
}

const seen = ['P0.5D', 'P1.5W', 'PT0.5H'].map(text => [text, read(text), JSON.stringify(other.parse(text))])
console.log('iso8601-duration 2.1.4, tinyduration 3.4.1')
for (const [text, value, same] of seen) console.log(text, '->', value, '| tinyduration:', same)
const refused = seen.slice(0, 2).every(([, value]) => typeof value === 'string')
process.exit(refused && seen[2][1] === 1800 && other.parse('P0.5D').days === 0.5 ? 0 : 1)
NODE
node "$folder/read.cjs"
