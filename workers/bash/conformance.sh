#!/usr/bin/env bash
# The worker of the conformance suite: see docs/worker-conformance.md.
source "${BASH_SOURCE[0]%/*}/avtomat-worker.sh"

conformance.echo() { cat; }

conformance.status() {
  params=$(cat)
  status "$(jq -r .status <<<"$params")"
  jq .data <<<"$params"
}

conformance.fail() {
  params=$(cat)
  fail "$(jq -r .code <<<"$params")" "$(jq -r .message <<<"$params")" "$(jq -c .details <<<"$params")"
}

conformance.crash() { kill -SEGV "$BASHPID"; }

conformance.context() {
  jq -n --argjson attempt "$AVTOMAT_ATTEMPT" '{job_id: env.AVTOMAT_JOB_ID, task_id: env.AVTOMAT_TASK_ID,
    attempt: $attempt, idempotency_key: env.AVTOMAT_IDEMPOTENCY_KEY}'
}

conformance.slow() {
  seconds=$(jq .seconds)
  sleep "$seconds"
  echo "{\"slept\": $seconds}"
}

conformance.progress() {
  progress 0.5 half
  sleep 2
}

avtomat_worker conformance.{echo,status,fail,crash,context,slow,progress}
