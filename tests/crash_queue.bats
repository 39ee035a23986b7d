#!/usr/bin/env bats
# Not with the sanitizers: their own system calls would be counted too.
# What moat-queue answered for is in the queue after SIGKILL at any system call,
# after a disk error at any write or sync, and after a power loss at any moment.
# moat-queuectl did what it said, or nothing.

bats_require_minimum_version 1.5.0

setup() {
  tools=$BATS_TEST_DIRNAME/../build/release/tools
  export RECORDER=$tools/recorder KILLAT=$tools/killat QUEUECAT=$tools/queuecat
  export PYTHONDONTWRITEBYTECODE=1
  "$KILLAT" 0 "$BATS_TEST_TMPDIR/report" true 2>/dev/null || skip "no ptrace here"
}

crash() { # NAME [ARG...]
  local name=$1
  shift
  scratch=$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")
  run python3 "$BATS_TEST_DIRNAME/crash/$name.py" "$scratch" "$@"
  [ "$status" = 0 ] || { echo "$output" && return 1; }
}

@test "an injector: a power loss takes nothing, each sync is needed" {
  crash queue_power direct
}

@test "the service: a power loss takes nothing that it answered, each sync is needed" {
  crash queue_power serve
}

@test "queuectl: a power loss takes back nothing that it did, each sync is needed" {
  crash queue_power manage
}

@test "a fresh gate: a power loss takes nothing of its queue, each sync is needed" {
  crash queue_power init
}

@test "an injector, killed at each system call, queues it or does not" {
  crash queue_struck direct small0 killed
  crash queue_struck direct large0 killed
}

@test "a caller of the service, killed at each system call, queues it or does not" {
  crash queue_struck via small0 killed
  crash queue_struck via large0 killed
}

@test "the service, killed at each system call, has queued what it answered" {
  crash queue_struck serve small0,large0,small1 killed
}

@test "an injector that a disk fails says so and leaves nothing behind" {
  crash queue_struck direct large0 5
  crash queue_struck direct large0 28
  crash queue_struck direct large0 28+
}

@test "the service, failed by a disk, says so, leaves nothing and goes on" {
  crash queue_struck serve small0,large0,small1 5
  crash queue_struck serve small0,large0,small1 28
  crash queue_struck serve small0,large0,small1 28+
}

@test "queuectl, killed at each system call, did it or did not" {
  crash queuectl_struck remove small0 killed
  crash queuectl_struck remove large0 killed
  crash queuectl_struck remove all killed
  crash queuectl_struck hold large0 killed
  crash queuectl_struck retry all killed
}

@test "queuectl, failed by a disk, says so and changes nothing" {
  for error in 5 28 28+; do
    crash queuectl_struck remove all "$error"
    crash queuectl_struck hold large0 "$error"
    crash queuectl_struck retry all "$error"
  done
}

@test "a mail that got its 250 is in the queue, whatever struck the service" {
  crash queue_struck smtp small0,large0 killed
}

@test "a disk that fails the service: 451 to the client, and nothing is left" {
  crash queue_struck smtp small0,large0 5
  crash queue_struck smtp small0,large0 28
  crash queue_struck smtp small0,large0 28+
}
