#!/usr/bin/env bash
# yaml (npm) gives the key null the name "" – and loses it without a word beside a key that is "" – while js-yaml
# (npm) names it "null"; one YAML document has two different objects in one language.
# Expected: a JavaScript object has text keys only, and String(null) is "null", as for the keys 1 and true, which both
# libraries name "1" and "true". Both keys of the document are distinct, so nothing is lost.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    yaml@2.9.1 js-yaml@5.5.0 >"$folder/npm.log"
cat >"$folder/read.cjs" <<'NODE'
const text = '1: one\ntrue: yes\nnull: nothing\n"": empty\n'
const document = require('yaml').parseDocument(text)
const seen = [document.toJS(), require('js-yaml').load(text)]
const complaints = document.errors.length + document.warnings.length
console.log('input:         ', JSON.stringify(text))
console.log('yaml 2.9.1:    ', JSON.stringify(seen[0]), '| errors and warnings:', complaints)
console.log('js-yaml 5.5.0: ', JSON.stringify(seen[1]))
const names = seen.map((value) => Object.keys(value).join('|'))
const asDescribed = complaints === 0 && seen[0][''] === 'empty' &&
  names[0] === '1|true|' && names[1] === '1|true|null|'
process.exit(asDescribed ? 0 : 1)
NODE
node "$folder/read.cjs"
