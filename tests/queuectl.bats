#!/usr/bin/env bats
# moat-queuectl(8): what it shows, what it changes, and what it saves.

bats_require_minimum_version 1.5.0

setup() {
  unset MOAT_SPOOL MOAT_DEADLINE
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
  spool=$MOAT_DIR/spool
}

# Queues a message of SIZE octets and sets $id.
queue() { # SIZE RECIPIENT ...
  head -c "$1" /dev/urandom >"$BATS_TEST_TMPDIR/message.$1"
  printf 'Fa@b.example\0' >"$BATS_TEST_TMPDIR/envelope"
  printf 'T%s\0' "${@:2}" >>"$BATS_TEST_TMPDIR/envelope"
  printf '\0' >>"$BATS_TEST_TMPDIR/envelope"
  id=$(moat-queue 2>&1 <"$BATS_TEST_TMPDIR/message.$1" 1<"$BATS_TEST_TMPDIR/envelope" |
    sed -n 's/.* id=\([0-9A-Za-z]*\) .*/\1/p')
  queued=$(moat-queuectl list | awk 'NF == 4 && $1 !~ /=/ { last = $1 } END { print last }')
  id=${id:-$queued}
}

@test "an empty queue lists nothing and is whole" {
  run -0 moat-queuectl list
  [ -z "$output" ]
  run -0 moat-queuectl check
  [ "$output" = whole ]
  run -0 moat-queuectl stats
  [ "${lines[0]}" = messages=0 ]
  [ "${lines[7]}" = oldest=none ]
}

@test "show has all that is known, and the octets" {
  queue 1000 c@d.example
  run -0 moat-queuectl show "$id"
  [ "${lines[0]}" = "id=$id" ]
  [[ ${lines[1]} =~ ^time=20[0-9-]+T[0-9:]+Z$ ]]
  [ "${lines[2]}" = bytes=1000 ]
  [ "${lines[3]}" = 'sender=<a@b.example>' ]
  [[ ${lines[4]} == '  pending <c@d.example> next='* ]]
  moat-queuectl show "$id" | tail -c 1000 | cmp - "$BATS_TEST_TMPDIR/message.1000"
  queue 400000 c@d.example
  moat-queuectl show "$id" | tail -c 400000 | cmp - "$BATS_TEST_TMPDIR/message.400000"
}

@test "hold, release and remove, one and all" {
  queue 10 c@d.example
  first=$id
  queue 400000 c@d.example e@f.example
  [ "$(moat-queuectl hold "$first")" = "1 message" ]
  [ "$(moat-queuectl list | grep -c '  held <')" = 1 ]
  [ "$(moat-queuectl hold all)" = "1 message" ]
  [ "$(moat-queuectl stats | grep held)" = held=3 ]
  [ "$(moat-queuectl retry all)" = "0 messages" ]
  [ "$(moat-queuectl release all)" = "2 messages" ]
  [ "$(moat-queuectl retry all)" = "2 messages" ]
  run -0 moat-queuectl check
  [ "$(moat-queuectl remove "$first")" = "1 message" ]
  [ "$(moat-queuectl remove all)" = "1 message" ]
  [ -z "$(moat-queuectl list)$(ls -A "$spool/mess")" ]
  run -0 moat-queuectl check
}

@test "no such message, and no such command" {
  run -100 moat-queuectl show 000000001
  [ "$output" = "moat-queuectl: fatal: no such message: 000000001" ]
  for word in retry hold release remove; do
    run -100 moat-queuectl "$word" 000000001
    run -100 moat-queuectl "$word"
    run -100 moat-queuectl "$word" short
  done
  run -100 moat-queuectl
  run -100 moat-queuectl show all
  run -100 moat-queuectl flush
  [ "$output" = 'moat-queuectl: fatal: no such command: "flush"' ]
  run -100 moat-queuectl list me
}

@test "a queue that is not there is 111" {
  MOAT_SPOOL=$BATS_TEST_TMPDIR run -111 moat-queuectl list
}

@test "what somebody sent cannot command a terminal" {
  printf 'Fa\033[2J@b\0Tc\033]0;x\007@d\0\0' >"$BATS_TEST_TMPDIR/envelope"
  moat-queue </dev/null 1<"$BATS_TEST_TMPDIR/envelope"
  run -0 moat-queuectl list
  [[ $output == *'<a?[2J@b>'* && $output == *'<c?]0;x?@d>'* ]]
}

@test "check finds a message whose file is damaged or gone" {
  queue 400000 c@d.example
  file=$(ls "$spool/mess")
  printf x | dd of="$spool/mess/$file" bs=1 seek=300000 conv=notrunc status=none
  run -1 moat-queuectl check
  [ "$output" = "octets $id: message $id is damaged" ]
  run -111 moat-queuectl show "$id"
  rm "$spool/mess/$file"
  run -1 moat-queuectl check
}

@test "salvage keeps what is whole, and tells what is not" {
  queue 400000 c@d.example
  lost=$id
  queue 100 keep@d.example
  whole=$id
  moat-queuectl hold "$whole"
  rm "$spool/mess/"*
  run -1 moat-queuectl salvage
  [ "${lines[0]}" = "message $lost: lost" ]
  [ "${lines[1]}" = saved=1 ]
  [ "${lines[3]}" = lost=1 ]
  [ -f "${lines[4]#kept=}" ]
  run -0 moat-queuectl check
  moat-queuectl list | grep -q '  held <keep@d.example>'
  moat-queuectl show "$whole" | tail -c 100 | cmp - "$BATS_TEST_TMPDIR/message.100"
}

@test "salvage searches the pages of a file whose head is gone" {
  for i in 1 2 3 4 5; do queue "$((i * 1000))" "r$i@d.example"; done
  queue 400000 large@d.example
  # Both of LMDB's head pages.
  dd if=/dev/zero of="$spool/queue.mdb" bs=4096 count=2 conv=notrunc status=none
  run -1 moat-queuectl check
  run -0 moat-queuectl salvage
  [[ $output == *$'\nsaved=6\nheld=6\nlost=0\n'* ]]
  run -0 moat-queuectl check
  for i in 1 2 3 4 5; do
    one=$(moat-queuectl list | awk -v size="$((i * 1000))" '$3 == size { print $1 }')
    moat-queuectl show "$one" | tail -c "$((i * 1000))" |
      cmp - "$BATS_TEST_TMPDIR/message.$((i * 1000))"
  done
  [ "$(moat-queuectl release all)" = "6 messages" ]
}

@test "salvage does nothing while the queue is in use" {
  moat-queue --serve "$BATS_TEST_TMPDIR/door" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  server=$!
  grep -qm1 event=serving < <(exec timeout 20 tail -n +1 -f "$BATS_TEST_TMPDIR/log" 3>&-)
  run -111 moat-queuectl salvage
  [[ $output == *"the queue is in use: stop moat-queue and moat-send first" ]]
  kill "$server"
  wait "$server"
  run -0 moat-queuectl salvage
  [[ $output == saved=0* ]]
}
