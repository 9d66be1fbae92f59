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
  inventory.release | payments.refund | *.cancel)
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
  shop.note)
    echo '{"noted": true}'
    ;;
  flight.book | hotel.book)
    sleep "$calm"
    echo "{\"booking\": \"${1%%.*}-1\"}"
    ;;
  car.book)
    sleep "$calm"
    sleep "$calm" # later than the hotel, so that there is something to undo
    echo '{"error": {"code": "SOLD_OUT", "message": "no car is left"}}'
    ;;
  price.ask)
    sleep "$calm"
    echo '{"price": 7}'
    ;;
  price.work_out)
    echo '{"price": 9}'
    ;;
  stock.ask)
    echo '{"there": true}'
    ;;
  picture.read)
    case $params in
      *broken*) echo '{"error": {"code": "BROKEN", "message": "not a picture"}}' ;;
      *) echo '{"pixels": 4000}' ;;
    esac
    ;;
  picture.shrink)
    sed -E 's/.*"name" *: *"([^"]*)".*/{"name": "small-\1"}/' <<<"$params"
    ;;
  *)
    echo "no such kind of task: $1" >&2
    exit 1
    ;;
esac
