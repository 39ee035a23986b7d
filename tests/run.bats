#!/usr/bin/env bats
# Not with the sanitizers: tests/gate.bats runs a gate of theirs.
# make run: a whole gate, and nothing of it left behind.

bats_require_minimum_version 1.5.0

load gate

setup() { runners=(); }

teardown() {
  for runner in "${runners[@]}"; do
    kill "$runner" 2>/dev/null || :
    wait "$runner" || :
  done
}

start() { # NAME
  start_gate "$BATS_TEST_TMPDIR/$1"
  runners+=("$runner")
}

# Fails if the folder is there or a process of the gate lives.
nothing_left() { # GATE SESSION
  [ ! -e "$1" ]
  # What has ended but was not waited for yet by process 1 does not count.
  run pgrep -r R,S,D,T -s "$2"
  [ -z "$output" ]
  run processes_in "$1"
  [ -z "$output" ]
}

@test "a gate is for an ordinary user, in a folder that anyone may look into" {
  start one
  [ "$(stat -c %a "$gate")" = 755 ]
  [ "$(ps -o user= -p "$session" | tr -d ' ')" != root ]
  run -0 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; read -r line <&3; echo \"\$line\""
  [[ $output == "220 mx.example.test ESMTP"* ]]
}

@test "the three commands that it prints do what it says" {
  start one
  grep '^  ' "$BATS_TEST_TMPDIR/one" | sed 's/^  //' >"$BATS_TEST_TMPDIR/commands"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/commands")" = 4 ]
  run -0 sh -c "$(sed -n 1p "$BATS_TEST_TMPDIR/commands")"
  await "$gate/log/send/current" 'event=delivered*anna@example.test'
  run -0 sh -c "$(sed -n 2p "$BATS_TEST_TMPDIR/commands")"
  [ "${#lines[@]}" = 1 ]
  run sh -c "$(sed -n 3p "$BATS_TEST_TMPDIR/commands")"
  [ "$status" != 0 ]
  [[ $output == *"550 5.1.1"* ]]
  run sh -c "$(sed -n 4p "$BATS_TEST_TMPDIR/commands")"
  [ "$status" != 0 ]
  [[ $output == *"550 5.7.1"* ]]
}

@test "INT and TERM stop every service and remove the folder" {
  for signal in INT TERM; do
    start "$signal"
    [ "$(pgrep -s "$session" | wc -l)" -gt 10 ]
    kill "-$signal" "$runner"
    wait "$runner" || :
    nothing_left "$gate" "$session"
  done
}

@test "a client that stays does not keep it" {
  start one
  exec {client}<>"/dev/tcp/127.0.0.1/$port"
  read -r -u "$client" line
  [[ $line == 220* ]]
  kill "$runner"
  wait "$runner" || :
  exec {client}>&-
  nothing_left "$gate" "$session"
}

@test "two at once take two ports" {
  start one
  first=$port first_gate=$gate first_session=$session
  start two
  [ "$port" != "$first" ]
  for p in "$first" "$port"; do
    run -0 bash -c "exec 3<>/dev/tcp/127.0.0.1/$p; read -r line <&3; echo \"\$line\""
    [[ $output == 220* ]]
  done
  kill "${runners[@]}"
  wait "${runners[@]}" || :
  nothing_left "$gate" "$session"
  nothing_left "$first_gate" "$first_session"
}
