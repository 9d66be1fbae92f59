#!/usr/bin/env bash
# `make demo`: the engine on SQLite, two workers, and one order on screen from start to result. In the middle the engine
# is killed (kill -9) and started again; the order ends all the same. Everything happens in a folder that is removed.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .venv/bin/avtomat ] || { echo "demo: Avtomat is not installed in .venv; run: make demo" >&2; exit 2; }
avtomat=$PWD/.venv/bin/avtomat
python=$PWD/.venv/bin/python
scripts=$PWD/scripts
unset ${!AVTOMAT_*}
export PYTHONUNBUFFERED=1

work=$(mktemp -d)
engine=
watcher=
workers=()

clean_up() {
  code=$?
  trap - EXIT
  for pid in $watcher $engine "${workers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  if [ "$code" -ne 0 ]; then
    echo "demo: FAILED ($code)" >&2
    for log in "$work"/*.log; do echo "--- $(basename "$log")" >&2; tail -n 30 "$log" >&2; done
  fi
  rm -rf "$work"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

start_engine() {
  (cd "$work" && exec "$avtomat" dev --port "$port" --log-level warning) >>"$work/engine.log" 2>&1 &
  engine=$!
  "$python" "$scripts/demo_watch.py" "$address" ready
  kill -0 "$engine"
}

start_worker() { # name, kinds …
  local name=$1 kind arguments=()
  shift
  for kind in "$@"; do arguments+=(--exec "$kind=bash $scripts/demo_task.sh $kind"); done
  (cd "$work" && DEMO_PICK_SECONDS=4 exec "$avtomat" worker --url "http://$address" --worker-id "$name" "${arguments[@]}") \
    >"$work/$name.log" 2>&1 &
  workers+=($!)
}

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
address=127.0.0.1:$port
cp -r workflows "$work/workflows"

say "1. The checker reads the blueprints; no server is needed."
(cd "$work" && "$avtomat" validate workflows)

say "2. An engine on SQLite, and two workers: bash scripts behind 'avtomat worker --exec'."
start_engine
cat "$work/engine.log"
start_worker shop inventory.reserve inventory.release mail.send shop.note
start_worker back-office payments.charge payments.refund warehouse.pick

say "3. An order. The bank does not answer at first, and while the warehouse picks, the engine is killed."
order='{"order_id": "o-4711", "total": 42.5, "express": true, "email": "ada@example.com", "items": [{"sku": "tea"}, {"sku": "cup"}]}'
killed=no
exec 3< <("$python" "$scripts/demo_watch.py" "$address" job order_fulfilment "$order")
watcher=$!
while IFS= read -r -u 3 line; do
  echo "$line" >>"$work/job.log"
  echo "$line"
  if [ $killed = no ] && [[ $line == *" pick[0] "*"offered to workers" ]]; then
    sleep 1.5 # a worker has it by now
    kill -KILL "$engine"
    wait "$engine" 2>/dev/null || true
    killed=yes
    echo "              >>> kill -9 of the engine; the job is in its store, the worker goes on"
    start_engine
    echo "              >>> another engine on the same store"
  fi
done
wait "$watcher"
watcher=

[ $killed = yes ] || { echo "demo: the engine was never killed" >&2; exit 1; }
for expected in '"RB-7"' '"paid": 47.5' 'attempt 2 done by back-office' 'the job is finished'; do
  grep -qF "$expected" "$work/job.log" || { echo "demo: expected $expected" >&2; exit 1; }
done
for piece in 'pick[0]' 'pick[1]'; do
  [ "$(grep -F "$piece" "$work/job.log" | grep -cF 'offered to workers')" -eq 1 ] ||
    { echo "demo: the warehouse was asked more than once for $piece" >&2; exit 1; }
done

say "4. What happened, in the engine's words."
job=$(sed -nE '1s/^job ([^ ]+) .*/\1/p' "$work/job.log")
"$avtomat" jobs list --url "http://$address"

say "5. SIGTERM: the engine and the workers end in order."
kill -TERM "${workers[@]}" "$engine"
for pid in "${workers[@]}" "$engine"; do wait "$pid"; done
engine=
workers=()
echo "all ended with exit code 0"
say "6. Blocks, each job in one process ('avtomat run'): a saga that is undone, a fan-out, a batch with a broken picture."
example() { # name, input, what its output must hold, kinds …
  local name=$1 input=$2 expected=$3 kind commands=()
  shift 3
  for kind in "$@"; do commands+=(--exec "$kind=bash $scripts/demo_task.sh $kind"); done
  echo
  echo "$name:"
  (cd "$work" && DEMO_TASK_SECONDS=0.1 "$avtomat" run "workflows/$name.yaml" --input "$input" "${commands[@]}" 2>&1) |
    tee "$work/$name.log" || true
  grep -qF "$expected" "$work/$name.log" || { echo "demo: expected $expected" >&2; exit 1; }
}
example saga '{"traveller": "Ada", "city": "Turin", "nights": 2}' 'undo flight.cancel' \
  flight.book flight.cancel hotel.book hotel.cancel car.book car.cancel
example fan_out '{"sku": "tea"}' '"asked": "fast"' price.ask price.work_out stock.ask
example batch '{"pictures": ["a", "b", "broken", "d"]}' '"small-d"' picture.read picture.shrink

say "Done. The order $job outlived its engine. Go on with docs/tutorial.md."
