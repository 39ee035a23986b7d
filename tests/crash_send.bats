#!/usr/bin/env bats
# Not with the sanitizers: their own system calls would be counted too.
# Delivery struck at every system call: each message comes to each of its
# mailboxes once and whole, and its sender hears once of what cannot.

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

@test "send: killed at each system call it loses and doubles nothing" {
  crash send_struck send small1,small2,small3,large0 killed
}

@test "send: a disk that fails once or is full loses and doubles nothing" {
  crash send_struck send small1 5
  crash send_struck send small1 28
}

@test "local: its door killed at each system call loses and doubles nothing" {
  crash send_struck local small0,large0 killed
}

@test "local: its door failed by a disk loses and doubles nothing" {
  crash send_struck local small0,large0 5
}
