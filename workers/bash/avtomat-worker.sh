# shellcheck shell=bash
# A worker for Avtomat in bash 5.1, with curl and jq. Source it, write a function for each kind of task, and call
# `avtomat_worker KIND…`. A function gets its params on stdin and prints its output, both JSON.
#
# One task at a time. It runs in a process group of its own, while this shell sends heartbeats. A poll that failed is
# repeated under the same nonce, and each poll says what is held, so that the engine takes back what never arrived.

AVTOMAT_POLL_S=30
AVTOMAT_REQUEST_S=15
AVTOMAT_LEASE_DEFAULT_MS=90000
AVTOMAT_CANCEL_HEARD_MS=10000
AVTOMAT_BACKOFF_FIRST_MS=500
AVTOMAT_BACKOFF_MAX_MS=30000
AVTOMAT_RETRY_AFTER_MAX_S=300
AVTOMAT_RESULT_KEPT_MS=900000
AVTOMAT_KILL_AFTER_MS=2000

# --- what a task may call ---------------------------------------------------------------------------------------------

# fail CODE MESSAGE [DETAILS as JSON]: end the task with an error of your own.
fail() {
  jq -cn --arg code "$1" --arg message "${2-}" --argjson details "${3-null}" \
    '{error: {code: $code, message: $message, details: $details}}' >"$AVTOMAT_TASK/error"
  exit 1
}

# status WORD: end with a status word of your own, which blueprints read as `status`.
status() { printf %s "$1" >"$AVTOMAT_TASK/status"; }

# progress FRACTION [MESSAGE]: tell the engine how far the task is. What cannot be delivered costs nothing.
progress() {
  local id=$RANDOM$RANDOM$RANDOM
  jq -cn --argjson fraction "$1" --arg message "${2-}" --arg id "$id" 'env.AVTOMAT_WORKER_ID as $worker |
    {event_id: "\(env.AVTOMAT_TASK_ID)-\($id)", worker_id: $worker, origin_worker_id: $worker, event_type: "progress",
      payload: {progress: $fraction, message: $message}, target_job_id: env.AVTOMAT_JOB_ID,
      target_task_id: env.AVTOMAT_TASK_ID, timestamp: (now | floor)}' >"$AVTOMAT_TASK/event.$id"
  _avtomat_sign "$AVTOMAT_TASK/event.$id"
  curl -sSf -m 3 -o /dev/null -H "@$avtomat_dir/headers" --data-binary "@$AVTOMAT_TASK/event.$id" \
    "$avtomat_engine/events" || true
}

# --- the worker -------------------------------------------------------------------------------------------------------

# avtomat_worker KIND…: do these tasks until SIGTERM or SIGINT. AVTOMAT_URL, AVTOMAT_WORKER_TOKEN, AVTOMAT_WORKER_ID and
# AVTOMAT_WORKER_DRAIN_S (15) say where, who, and how long a running task may take to finish then. With
# AVTOMAT_WORKER_SIGNING=1 messages are signed with the token.
avtomat_worker() {
  local kind
  for kind in "$@"; do
    [[ $kind =~ ^[A-Za-z0-9_.-]{1,128}$ && $(type -t -- "$kind") == function ]] && continue
    _avtomat_log "there is no function $kind, or it cannot be a kind of task: letters, digits, _, - and ."
    return 2
  done
  avtomat_engine="${AVTOMAT_URL%/}/_worker" avtomat_kinds=("$@") avtomat_stopping=0 avtomat_held='' avtomat_beat_at=0
  : "${AVTOMAT_WORKER_ID:="$(hostname | tr -c 'A-Za-z0-9\n' - | cut -c 1-64)-$$-$RANDOM"}"
  avtomat_me="$avtomat_engine/workers/$AVTOMAT_WORKER_ID"
  avtomat_dir=$(mktemp -d) || return 1
  # a child that is killed before it has become another program would run this too
  trap '[[ $BASHPID != "$$" ]] || rm -rf "$avtomat_dir"' EXIT
  trap 'avtomat_stop' TERM INT
  (
    umask 077 # not among the arguments of curl, where everybody could read the token
    printf '%s\n' "X-Worker-ID: $AVTOMAT_WORKER_ID" "X-RXON-Version: 1.0b17" "Content-Type: application/json" \
      ${AVTOMAT_WORKER_TOKEN:+"X-Worker-Token: $AVTOMAT_WORKER_TOKEN"} >"$avtomat_dir/headers"
  )
  _avtomat_prepare_signing || return
  _avtomat_register_first || return
  _avtomat_new_nonce
  local failures=0 asked_at query
  while ((!avtomat_stopping)); do
    _avtomat_beat_if_due
    query="timeout=$AVTOMAT_POLL_S&available_skills=$(_avtomat_joined)&nonce=$avtomat_nonce&holding="
    _avtomat_now
    asked_at=$avtomat_now_ms
    _avtomat_ask poll GET "$avtomat_me/tasks/next?$query" $((AVTOMAT_POLL_S + AVTOMAT_REQUEST_S))
    _avtomat_now
    if [[ $avtomat_code == 200 ]] && jq -e '.job_id and .task_id and .type' "$avtomat_dir/poll" >/dev/null 2>&1; then
      failures=0
      _avtomat_new_nonce
      _avtomat_do "$avtomat_dir/poll"
    elif [[ $avtomat_code == 204 ]] && ((avtomat_now_ms - asked_at >= AVTOMAT_POLL_S * 500)); then
      failures=0
      _avtomat_new_nonce
    elif ((!avtomat_stopping)); then # an engine that does not let polls wait must not be asked in a loop
      [[ $avtomat_code == 204 ]] && _avtomat_new_nonce || _avtomat_log "no tasks: the engine answered $avtomat_code"
      [[ $avtomat_code != 404 ]] || _avtomat_register
      _avtomat_backoff $((failures++))
      _avtomat_pause "$avtomat_pause_ms" || true
    fi
  done
  # what is left of the last poll: ask for nothing, and say that nothing is held, so that the rest is released
  _avtomat_new_nonce
  _avtomat_ask poll GET "$avtomat_me/tasks/next?timeout=0&max=0&nonce=$avtomat_nonce&holding=" 3
  _avtomat_beat offline
  return 0
}

avtomat_stop() {
  if ((avtomat_stopping++ == 0)); then
    _avtomat_log "stopping: a running task may finish; the next signal ends at once"
    return
  fi
  [[ -z ${avtomat_work-} ]] || kill -KILL -- "-$avtomat_work" 2>/dev/null
  exit 143
}

# Do one task, keep its lease, and deliver its result.
_avtomat_do() {
  local task=$avtomat_dir/task kind lease_ms left_ms why='' began_at end_at kill_at=0 exit_code=''
  rm -rf "$task" && mkdir "$task" && mv "$1" "$task/task" && : >"$task/err"
  {
    read -r kind
    read -r avtomat_held
    read -r lease_ms
    read -r left_ms
  } < <(jq -r --argjson lease "$AVTOMAT_LEASE_DEFAULT_MS" \
    '.type, .task_id, ((if (.lease_s // 0) > 0 then .lease_s * 1000 else $lease end) | floor),
     (if .deadline then (.deadline - (.timestamp // now)) * 1000 + 500 | floor else 0 end)' "$task/task")
  avtomat_interval_ms=$((lease_ms / 3 < AVTOMAT_CANCEL_HEARD_MS ? lease_ms / 3 : AVTOMAT_CANCEL_HEARD_MS))
  _avtomat_now
  began_at=$avtomat_now_ms end_at=$((left_ms ? avtomat_now_ms + left_ms : 0)) avtomat_cancelled=''
  local first_beat_at=$((began_at + avtomat_interval_ms))
  avtomat_beat_at=$((avtomat_beat_at < first_beat_at ? avtomat_beat_at : first_beat_at))
  set -m # a process group of its own: what stops the worker does not stop the task
  _avtomat_work "$kind" "$task" &
  avtomat_work=$!
  set +m
  local drain_at=0
  while [[ -z $exit_code ]]; do
    _avtomat_pause 1000 "$avtomat_work" && exit_code=$avtomat_exit_code
    _avtomat_now
    ((avtomat_stopping && !drain_at)) && drain_at=$((avtomat_now_ms + ${AVTOMAT_WORKER_DRAIN_S:-15} * 1000))
    if [[ -z $why && -z $exit_code ]]; then
      [[ -z $avtomat_cancelled ]] || why=unwanted
      ((!end_at || avtomat_now_ms < end_at)) || why=late
      ((!drain_at || avtomat_now_ms < drain_at)) || why=stopping
      if [[ -n $why ]]; then
        kill -TERM -- "-$avtomat_work" 2>/dev/null
        kill_at=$((avtomat_now_ms + AVTOMAT_KILL_AFTER_MS))
      fi
    fi
    ((!kill_at || avtomat_now_ms < kill_at)) || kill -KILL -- "-$avtomat_work" 2>/dev/null
  done
  kill -KILL -- "-$avtomat_work" 2>/dev/null # what it left running
  _avtomat_now
  _avtomat_outcome "$task" "$why" "$exit_code" $((avtomat_now_ms - began_at)) >"$task/result"
  _avtomat_deliver "$task"
  avtomat_held='' avtomat_work=''
  rm -rf "$task"
}

# In the task's own process.
_avtomat_work() {
  trap - TERM INT EXIT
  export AVTOMAT_TASK=$2 AVTOMAT_JOB_ID AVTOMAT_TASK_ID AVTOMAT_ATTEMPT AVTOMAT_IDEMPOTENCY_KEY AVTOMAT_WORKER_ID
  {
    IFS= read -r AVTOMAT_JOB_ID
    IFS= read -r AVTOMAT_TASK_ID
    IFS= read -r AVTOMAT_ATTEMPT
    IFS= read -r AVTOMAT_IDEMPOTENCY_KEY
  } < <(jq -r '.job_id, .task_id, .attempt // 1, .idempotency_key // .task_id' "$2/task")
  local kind
  for kind in "${avtomat_kinds[@]}"; do
    [[ $kind == "$1" ]] || continue
    "$kind" < <(jq -c '.params // {}' "$2/task") >"$2/out" 2> >(tee "$2/err" >&2)
    exit
  done
  fail PERMANENT_ERROR "this worker has no task $1"
}

# Print the result: why it was given up, else what it printed and its exit code.
_avtomat_outcome() {
  local task=$1
  [[ -s $task/out ]] || echo null >"$task/out"
  [[ -s $task/error ]] || echo null >"$task/error"
  if ! jq -s length "$task/out" >/dev/null 2>&1; then
    tail -c 300 "$task/out" >>"$task/err"
    printf '"no JSON" 2' >"$task/out"
  fi
  jq -c --arg why "$2" --argjson code "$3" --argjson ms "$4" --arg worker "$AVTOMAT_WORKER_ID" \
    --slurpfile out "$task/out" --slurpfile told "$task/error" --rawfile err <(tail -c 1500 "$task/err") \
    --rawfile status <(cat "$task/status" 2>/dev/null) '
    def failed($code; $message): {status: "failure", error: {code: $code, message: $message}};
    {job_id, task_id, worker_id: $worker, costs: {execution_time_seconds: ($ms / 1000)}, timestamp: (now | floor)} +
    if $why == "stopping" then {status: "cancelled", given_back: true}
    elif $why == "unwanted" then {status: "cancelled"}
    elif $why == "late" then failed("TIMEOUT_ERROR"; "the deadline passed before the task was done")
    elif $told[0] then {status: "failure"} + $told[0]
    elif $code == 75 or $code > 128 then failed("TRANSIENT_ERROR"; "exit code \($code): \($err)")
    elif $code != 0 then failed("PERMANENT_ERROR"; "exit code \($code): \($err)")
    elif ($out | length) != 1 then failed("CONTRACT_VIOLATION_ERROR"; "it printed what is not one JSON value: \($err)")
    else {status: (if $status == "" then "success" else $status end), data: $out[0]} end' "$task/task"
}

# A result that was accepted or ignored is done with; one that was refused is replaced by a failure that says so.
_avtomat_deliver() {
  local failures=0 complained='' until_ms
  _avtomat_now
  until_ms=$((avtomat_now_ms + AVTOMAT_RESULT_KEPT_MS))
  while _avtomat_now && ((avtomat_now_ms < until_ms)); do
    _avtomat_ask receipt POST "$avtomat_engine/tasks/result" "$AVTOMAT_REQUEST_S" "$1/result"
    case $avtomat_code in
    2??) return ;;
    000 | 401 | 403 | 404 | 408 | 425 | 429 | 5??)
      _avtomat_log "the result waits: the engine answered $avtomat_code"
      [[ $avtomat_code != 404 ]] || _avtomat_register
      ((!avtomat_stopping || failures < 3)) || break
      _avtomat_backoff $((failures++))
      _avtomat_pause "$avtomat_pause_ms" || true
      ;;
    *)
      _avtomat_log "the result was refused: $(head -c 300 "$avtomat_dir/receipt")"
      [[ -z $complained ]] || return
      complained=1
      jq -c --arg message "the result was refused with $avtomat_code" 'del(.data) +
        {status: "failure", error: {code: "CONTRACT_VIOLATION_ERROR", $message}}' "$1/result" >"$1/complaint"
      mv "$1/complaint" "$1/result"
      ;;
    esac
  done
  _avtomat_log "a result could not be delivered"
}

# --- registration and heartbeats --------------------------------------------------------------------------------------

_avtomat_register() {
  printf '%s\n' "${avtomat_kinds[@]}" | jq -cR --arg worker "$AVTOMAT_WORKER_ID" --arg host "$(hostname)" -n '[inputs] |
    {worker_id: $worker, worker_type: "bash", supported_skills: map({name: .}), available_skills: .,
     capabilities: {hostname: $host}, timestamp: (now | floor)}' >"$avtomat_dir/registration"
  _avtomat_ask registered POST "$avtomat_engine/workers/register" "$AVTOMAT_REQUEST_S" "$avtomat_dir/registration"
}

_avtomat_register_first() {
  local failures=0
  while ((!avtomat_stopping)); do
    _avtomat_register
    case $avtomat_code in
    2??) return 0 ;;
    000 | 408 | 425 | 429 | 5??) _avtomat_log "not registered yet: the engine answered $avtomat_code" ;;
    *)
      _avtomat_log "the engine does not want this worker: $avtomat_code $(head -c 300 "$avtomat_dir/registered")"
      return 1
      ;;
    esac
    _avtomat_backoff $((failures++))
    avtomat_beat_at=9999999999999
    _avtomat_pause "$avtomat_pause_ms" || true
    avtomat_beat_at=0
  done
  exit 0
}

_avtomat_beat_if_due() {
  _avtomat_now
  ((avtomat_now_ms >= avtomat_beat_at)) || return 0
  local status=idle
  [[ -z $avtomat_held ]] || status=full
  ((!avtomat_stopping)) || status=draining
  _avtomat_beat "$status"
}

_avtomat_beat() {
  local interval_ms=$((AVTOMAT_LEASE_DEFAULT_MS / 3)) cancelled again jitter_ms
  [[ -z $avtomat_held ]] || interval_ms=$avtomat_interval_ms
  jq -cn --arg worker "$AVTOMAT_WORKER_ID" --arg status "$1" --arg held "$avtomat_held" \
    '{worker_id: $worker, status: $status, current_tasks: [$held | select(. != "")], timestamp: (now | floor)}' \
    >"$avtomat_dir/heartbeat"
  _avtomat_ask orders PATCH "$avtomat_me" "$AVTOMAT_REQUEST_S" "$avtomat_dir/heartbeat"
  _avtomat_now
  if [[ $avtomat_code != 200 ]]; then
    _avtomat_log "no heartbeat: the engine answered $avtomat_code"
    ((interval_ms < AVTOMAT_BACKOFF_FIRST_MS)) || interval_ms=$AVTOMAT_BACKOFF_FIRST_MS
    avtomat_beat_at=$((avtomat_now_ms + interval_ms))
    [[ $avtomat_code != 404 || $1 == offline ]] || _avtomat_register
    return
  fi
  read -r cancelled again jitter_ms < <(jq -r --arg held "$avtomat_held" '
    [((.cancel_task_ids // []) | index($held) != null),
    .require_full_sync == true, ((.next_heartbeat_jitter_ms // 0) | floor)] | join(" ")' "$avtomat_dir/orders")
  [[ $cancelled != true ]] || avtomat_cancelled=1
  ((jitter_ms <= interval_ms / 2)) || jitter_ms=$((interval_ms / 2)) # a proposal: it must not cost a lease
  avtomat_beat_at=$((avtomat_now_ms + interval_ms * (80 + RANDOM % 20) / 100 + (jitter_ms ? RANDOM % jitter_ms : 0)))
  [[ $again != true ]] || _avtomat_register
}

# --- signing ----------------------------------------------------------------------------------------------------------

# The canonical text of a message: without `security`, without nulls in maps, keys sorted, numbers as the engine writes
# them. jq writes 1e-05 for 0.00001, and 1e+18 for what is a whole number.
AVTOMAT_CANONICAL='
  def number: tostring | if test("e") | not then sub("\\.0$"; "") else
    capture("^(?<sign>-?)(?<first>[0-9])(\\.(?<rest>[0-9]+))?e(?<power>[+-][0-9]+)$") | (.power | tonumber) as $power |
    (.rest // "") as $rest | .sign + .first +
    if $power > 0 and $power < 19 then $rest + "0" * ($power - ($rest | length))
    else (if $rest == "" then "" else "." + $rest end) + "e" + (if $power > 0 then "+" else "" end) + ($power | tostring)
    end end;
  def small: if . == 0 then "0" elif fabs >= 0.00001 and fabs < 0.0001
    then number | capture("^(?<sign>-?)(?<first>[0-9])(\\.(?<rest>[0-9]+))?e") |
      .sign + "0.0000" + .first + (.rest // "") else number end;
  def text: split("\u007f") | map(tojson[1:-1]) | join("\u007f") | "\"\(.)\"";
  def plain: if type == "object" then [to_entries[] | select(.value != null) |
      [.key, (.value | plain)]] | sort_by(.[0]) | "{" + (map((.[0] | text) + ":" + .[1]) | join(",")) + "}"
    elif type == "array" then "[" + (map(plain) | join(",")) + "]"
    elif type == "number" then small elif type == "string" then text else tojson end;
  del(.security, ._signature) | plain'

# The two keys of HMAC (RFC 2104), as escapes of printf: no program gets the token as an argument.
_avtomat_prepare_signing() {
  avtomat_inner='' avtomat_outer=''
  [[ ${AVTOMAT_WORKER_SIGNING-} =~ ^(1|true|yes|on)$ ]] || return 0
  local digits place byte each
  digits=$(printf %s "${AVTOMAT_WORKER_TOKEN-}" | od -An -v -tx1 | tr -d ' \n')
  if [[ -z $digits ]]; then
    _avtomat_log "signing needs a token: messages are signed with it"
    return 2
  fi
  ((${#digits} <= 128)) || digits=$(printf %s "$AVTOMAT_WORKER_TOKEN" | sha256sum | cut -c 1-64)
  for ((place = 0; place < 128; place += 2)); do
    each=${digits:place:2} byte=$((16#${each:-00}))
    printf -v avtomat_inner '%s\\x%02x' "$avtomat_inner" $((byte ^ 0x36))
    printf -v avtomat_outer '%s\\x%02x' "$avtomat_outer" $((byte ^ 0x5c))
  done
}

# _avtomat_sign FILE: put the signature of the message in the file into it, if messages are signed.
_avtomat_sign() {
  [[ -n $avtomat_inner ]] || return 0
  local digest
  digest=$({ printf %b "$avtomat_inner" && jq -j "$AVTOMAT_CANONICAL" "$1"; } | sha256sum | cut -c 1-64)
  digest=$({ printf %b "$avtomat_outer" && printf %b "$(sed 's/../\\x&/g' <<<"$digest")"; } | sha256sum | cut -c 1-64)
  jq -c --arg signature "$digest" --arg worker "$AVTOMAT_WORKER_ID" \
    '.security = {$signature, signer_id: $worker}' "$1" >"$1.signed" && mv "$1.signed" "$1"
}

# --- requests and pauses ----------------------------------------------------------------------------------------------

# _avtomat_ask NAME METHOD URL SECONDS [BODY]: the answer is in $avtomat_dir/NAME, the status in avtomat_code (or 000).
# A poll ends when the worker has to stop; no redirect is followed, which would carry the token elsewhere.
_avtomat_ask() {
  local to=$avtomat_dir/$1 pid
  [[ -z ${5-} ]] || _avtomat_sign "$5"
  : >"$to" && : >"$to.head"
  curl -sS -X "$2" -m "$4" -o "$to" -D "$to.head" -w '%{http_code}' -H "@$avtomat_dir/headers" -H Expect: \
    ${5:+--data-binary "@$5"} "$3" >"$to.code" 2>"$to.err" &
  pid=$!
  until wait "$pid" 2>/dev/null; [[ ! -d /proc/$pid ]] && ! kill -0 "$pid" 2>/dev/null; do
    [[ $1 != poll ]] || ((!avtomat_stopping)) || kill -KILL "$pid" 2>/dev/null
  done
  avtomat_code=$(<"$to.code")
  # what curl could not read to its end is no answer
  [[ $avtomat_code =~ ^[0-9]{3}$ && ! -s $to.err ]] || avtomat_code=000
  avtomat_retry_after_s=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,9\}\).*/\1/p' "$to.head" | tail -n 1)
}

# _avtomat_pause MS [PID]: wait so long, or until the child ends (0, its code in avtomat_exit_code); beat meanwhile.
_avtomat_pause() {
  local end_ms next_ms sleeper ended
  _avtomat_now
  end_ms=$((avtomat_now_ms + $1))
  while ((avtomat_now_ms < end_ms)); do
    next_ms=$((avtomat_beat_at < end_ms ? avtomat_beat_at : end_ms))
    if ((next_ms > avtomat_now_ms)); then
      printf -v sleeper '%d.%03d' $(((next_ms - avtomat_now_ms) / 1000)) $(((next_ms - avtomat_now_ms) % 1000))
      sleep "$sleeper" &
      sleeper=$! ended=''
      wait -n -p ended ${2:+"$2"} "$sleeper"
      avtomat_exit_code=$?
      kill -KILL "$sleeper" 2>/dev/null
      wait "$sleeper" 2>/dev/null # or bash would tell that it was killed
      [[ -z ${2-} || ${ended-} != "$2" ]] || return 0
      ((!avtomat_stopping)) || [[ ${ended-} == "$sleeper" ]] || return 1
    fi
    _avtomat_beat_if_due
    _avtomat_now
  done
  return 1
}

# Doubling, jittered, never shorter than the engine asked for.
_avtomat_backoff() {
  local ms=$((AVTOMAT_BACKOFF_FIRST_MS << ($1 < 10 ? $1 : 10))) asked_s=${avtomat_retry_after_s:-0}
  ((ms <= AVTOMAT_BACKOFF_MAX_MS)) || ms=$AVTOMAT_BACKOFF_MAX_MS
  ((asked_s <= AVTOMAT_RETRY_AFTER_MAX_S)) || asked_s=$AVTOMAT_RETRY_AFTER_MAX_S
  ms=$((ms / 2 + RANDOM % (ms / 2)))
  avtomat_pause_ms=$((ms > asked_s * 1000 ? ms : asked_s * 1000))
}

_avtomat_now() { avtomat_now_ms=$((${EPOCHREALTIME/[.,]/} / 1000)); }

_avtomat_new_nonce() { avtomat_nonce="$$-$RANDOM$RANDOM$RANDOM"; }

_avtomat_joined() {
  local IFS=,
  echo "${avtomat_kinds[*]}"
}

_avtomat_log() { echo "avtomat-worker: $*" >&2; }
