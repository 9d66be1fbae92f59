#!/usr/bin/env bash
# The workers' side of the demo, and of the examples: demo_task.sh KIND does one task of that kind.
#
# Params come as JSON on stdin, the output goes as JSON to stdout. Exit code 75 is an error that may pass. Any language
# will do; real ones would ask a warehouse, a bank and a mail server.
set -euo pipefail
params=$(cat)
calm=${DEMO_TASK_SECONDS:-0.3}

case $1 in
  greet)
    sed -E 's/.*"name" *: *"([^"]*)".*/{"text": "Hello, \1!"}/' <<<"$params"
    ;;
  inventory.reserve)
    sleep "$calm"
    echo '{"reserved": true}'
    ;;
  inventory.release)
    echo '{}'
    ;;
  payments.charge)
    sleep "$calm"
    if [ "${AVTOMAT_ATTEMPT:-1}" -lt 2 ]; then
      echo "the bank does not answer" >&2
      exit 75
    fi
    # A real bank takes this key, so that a charge whose answer was lost is not made twice.
    echo "{\"txn\": \"txn-${AVTOMAT_IDEMPOTENCY_KEY##*:}\"}"
    ;;
  warehouse.pick)
    sleep "${DEMO_PICK_SECONDS:-1}"
    echo '{"parcel": "RB-7"}'
    ;;
  mail.send)
    sleep "$calm"
    echo '{"sent": true}'
    ;;
  *)
    echo "no such kind of task: $1" >&2
    exit 1
    ;;
esac
