#!/usr/bin/env bats
# Not with the sanitizers: their own system calls would be counted too.
# SIGKILL, disk errors and power loss lose nothing that was promised.
# MOAT_CRASH_FULL=1 looks at more states of each power loss.

bats_require_minimum_version 1.5.0

setup() {
  tools=$BATS_TEST_DIRNAME/../build/release/tools
  export RECORDER=$tools/recorder KILLAT=$tools/killat QUEUECAT=$tools/queuecat
  export PYTHONDONTWRITEBYTECODE=1
  "$KILLAT" 0 "$BATS_TEST_TMPDIR/report" true 2>/dev/null || skip "no ptrace here"
}

# Runs one of the scripts beside this file in a scratch folder.
crash() { # NAME [ARG...]
  local name=$1
  shift
  scratch=$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")
  run python3 "$BATS_TEST_DIRNAME/crash/$name.py" "$scratch" "$@"
  [ "$status" = 0 ] || { echo "$output" && return 1; }
}

@test "the explorer finds each missing sync of a small maildrop" {
  crash explorer_test
  [[ $output == "safe: "*" states, 8 syncs, each needed"* ]]
}

@test "local: a power loss takes nothing that was delivered, each sync is needed" {
  crash local
}

@test "local: a power loss after another delivery was killed takes nothing" {
  crash local killed
}

@test "local: killed or failing at any system call it loses nothing" {
  crash local_struck
}

@test "userctl: a power loss takes no user who was added, nor his first mail" {
  crash userctl
}

@test "send: a power loss takes no mail and no record, each sync is needed" {
  crash send_power
}
