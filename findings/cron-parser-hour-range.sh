#!/usr/bin/env bash
# When clocks go back, cron-parser drops the repeated hour from "every 20 minutes from 1 to 4" and leaves 80 minutes
# without a run, but keeps it in "every 20 minutes"; croner runs through in both.
# Expected: restricting the hours takes away times outside them only, so the runs between 1 and 4 are the same in both
# expressions. (A fixed time of a day, such as "30 2 * * *", is another matter: both run it once.)
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    cron-parser@5.10.6 croner@11.0.1 >"$folder/npm.log"
cat >"$folder/run.cjs" <<'NODE'
const { CronExpressionParser } = require('cron-parser')
const { Cron } = require('croner')
const zone = 'Europe/Berlin' // back from 03:00 to 02:00 at 01:00 UTC on 25 October 2026
const from = '2026-10-24T23:50:00Z'
const short = (date) => date.toISOString().slice(11, 16)

function byParser(expression) {
  const times = CronExpressionParser.parse(expression, { currentDate: from, tz: zone })
  return Array.from({ length: 7 }, () => short(times.next().toDate()))
}

function byCroner(expression) {
  return new Cron(expression, { timezone: zone, paused: true }).nextRuns(7, new Date(from)).map(short)
}

console.log('cron-parser 5.10.6, croner 11.0.1: runs from 23:50 UTC on, in UTC')
const seen = {}
for (const expression of ['*/20 * * * *', '*/20 1-4 * * *']) {
  seen[expression] = [byParser(expression).join(' '), byCroner(expression).join(' ')]
  console.log(expression.padEnd(15), 'cron-parser', seen[expression][0])
  console.log(expression.padEnd(15), 'croner     ', seen[expression][1])
}
const through = '00:00 00:20 00:40 01:00 01:20 01:40 02:00'
const hole = '00:00 00:20 00:40 02:00 02:20 02:40 03:00'
const expected = { '*/20 * * * *': [through, through], '*/20 1-4 * * *': [hole, through] }
process.exit(JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1)
NODE
node "$folder/run.cjs"
