#!/usr/bin/env bats
# moat-smtpd: what it makes of a queue program, and of a directory, in trouble.

bats_require_minimum_version 1.5.0
load smtpd

setup_file() {
  make_gate
}

setup() {
  make_queue
}

# Makes the queue program of these lines.
queue_is() {
  { echo '#!/bin/sh'; cat; } >"$queue"
}

# The reply to a message.
reply() {
  talk "$@" <<<"$data> x
> .
< [245]
$quit" | tail -n 2 | head -n 1
}

@test "every exit code has its reply" {
  queue_is <<'END'
exec 3<&1
code=$(tr '\0' '\n' <&3 | sed -n 's/^F\([0-9]*\)@.*/\1/p')
exit "$code"
END
  script=$hello
  for code in {0..255}; do
    case $code in
      0) expected='250 2.0.0' ;;
      11 | 115) expected='554 5.1.3' ;;
      31) expected='554 5.7.1' ;;
      7[1-4]) expected='451 4.7.1' ;;
      1[2-9] | 2? | 3? | 40) expected='554 5.3.0' ;;
      *) expected='451 4.3.0' ;;
    esac
    script+="> MAIL FROM:<$code@b.example>
< 250
> RCPT TO:<user@example.test>
< 250
> DATA
< 354
> .
< $expected
"
  done
  talk --max-errors 1000 <<<"$script$quit" >/dev/null
}

@test "a queue program's words go to the client, cleaned" {
  queue_is <<<'printf "Dno, thank you\n" >&4; exit 88'
  [ "$(reply)" = '554 5.7.1 no, thank you' ]
  queue_is <<<'printf "Z4.2.1 come\r250 back later" >&6; exit 82'
  [ "$(reply)" = '451 4.2.1 come?250 back later' ]
  queue_is <<<'printf "Xodd" >&4; exit 88'
  [[ $(reply) == '451 4.3.0 '* ]]
  queue_is <<<'exit 82'
  [[ $(reply) == '451 4.3.0 '* ]]
  queue_is <<<'head -c 100000 /dev/zero | tr "\0" x >&4; exit 88'
  [[ $(reply) == '451 4.3.0 '* ]]
  queue_is <<<'{ printf D; head -c 10000 /dev/zero | tr "\0" x; } >&4; exit 88'
  run -0 reply
  [[ $output == '554 5.7.1 xxx'* && ${#output} -lt 300 ]]
}

@test "a queue program that dies by a signal is 451" {
  for signal in KILL SEGV ABRT TERM PIPE; do
    queue_is <<<"kill -$signal \$\$"
    [[ $(reply) == '451 4.3.0 '* ]]
  done
}

@test "a queue program that reads nothing is judged by its exit code" {
  queue_is <<<'exit 0'
  [[ $(reply) == '250 2.0.0 '* ]]
  queue_is <<<'exit 53'
  [[ $(reply) == '451 4.3.0 '* ]]
}

@test "one that is missing or cannot be run is 451" {
  rm "$queue"
  [[ $(reply) == '451 4.3.0 '* ]]
  touch "$queue"
  [[ $(reply) == '451 4.3.0 '* ]]
  mkdir "$queue.d"
  queue=$queue.d
  [[ $(reply) == '451 4.3.0 '* ]]
}

@test "one that holds the error descriptor open holds nobody up" {
  queue_is <<<'sleep 20 <&4 3>&- >/dev/null 2>&1 & echo $! >"$TMPDIR/holder"; exit 0'
  SECONDS=0
  [[ $(reply --queue-timeout 30s) == '250 2.0.0 '* ]]
  kill "$(cat "$TMPDIR/holder")" 2>/dev/null || true
  [ "$SECONDS" -lt 15 ]
}

@test "one that takes too long is ended with all its children" {
  queue_is <<<'sleep 300 & echo $! >"$TMPDIR/pid"; wait'
  [[ $(reply --queue-timeout 1s) == '451 4.3.0 '* ]]
  pid=$(cat "$TMPDIR/pid")
  for _ in {1..100}; do
    [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" || return 0
    sleep 0.05
  done
  return 1
}

@test "a door that nobody is behind is 451, and smtpd is confined before it" {
  run -0 smtptalk -- moat-smtpd --queue unix:"$BATS_TEST_TMPDIR/door" <<<"$data> x
> .
< 451 4.3.0
$quit"
  [[ $output != *event=unconfined* ]]
}

@test "a program as queue is not confined, and the log says why" {
  reply >/dev/null
  [[ $(logged event=unconfined) == *'reason="the queue is a program"'* ]]
}

# Asks for a recipient who exists, with the directory in this state.
asked() { # EXPECTED
  talk --max-errors 100 <<<"$hello> MAIL FROM:<a@b.example>
< 250
> RCPT TO:<user@example.test>
< $1
> RCPT TO:<friend@outside.example>
< [45]5
$quit" >/dev/null
}

# A gate of this test's own, to break.
own_gate() {
  cp -a "$MOAT_DIR" "$BATS_TEST_TMPDIR/gate"
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  directory=$MOAT_DIR/control/public.mdb
}

@test "a directory that is missing is 451 for everybody" {
  own_gate
  rm "$directory"
  asked '451 4.3.0'
  [[ $(logged event=trouble) == *public.mdb* ]]
}

@test "a directory that nobody can read is 451" {
  own_gate
  chmod 0 "$directory"
  [ ! -r "$directory" ] || skip "root reads everything"
  asked '451 4.3.0'
}

@test "a directory that was cut short, or is something else, is never a yes" {
  own_gate
  whole=$(stat -c %s "$directory")
  cp "$directory" "$directory.good"
  for size in 0 1 100 4095 4096 8191 $((whole / 2)) $((whole - 1)); do
    truncate -s 0 "$directory"
    head -c "$size" "$directory.good" >"$directory"
    asked '451 4.3.0'
  done
  head -c "$whole" /dev/zero >"$directory"
  asked '451 4.3.0'
  head -c "$whole" /dev/urandom >"$directory"
  asked '451 4.3.0'
}

@test "a change shows at the next session, a stopped writer holds nobody up" {
  own_gate
  asked 250
  moat-userctl user remove user@example.test
  asked '550 5.1.1'
  # Whoever holds the master open, with its locks, holds up no reader.
  exec 8<>"$MOAT_DIR/control/control.mdb"
  flock -x 8
  asked '550 5.1.1'
  exec 8>&-
}

@test "the real queue takes messages, as a program and behind its door" {
  own_gate
  MOAT_SMTPD_QUEUE='' smtptalk -- moat-smtpd --queue moat-queue <<<"$data> Subject: one
> .
< 250 2.0.0
$quit"
  door=$BATS_TEST_TMPDIR/door
  moat-queue --serve "$door" 2>"$BATS_TEST_TMPDIR/queue.log" 3>&- &
  server=$!
  for _ in {1..200}; do [ -S "$door" ] && break || sleep 0.02; done
  run smtptalk -- moat-smtpd --queue unix:"$door" <<<"$data> Subject: two
> .
< 250 2.0.0
> MAIL FROM:<>
< 250
> RCPT TO:<user@example.test>
< 250
> DATA
< 354
>20000 0123456789012345678901234567890123456789
> .
< 250 2.0.0
$quit"
  kill "$server"
  [ "$status" = 0 ]
  [[ $output != *unconfined* ]]
  [ "$(grep -c event=queued "$BATS_TEST_TMPDIR/queue.log")" = 2 ]
}

@test "before a door it is confined: a system call filter holds it" {
  [[ $(command -v moat-smtpd) != */asan/* ]] || skip "the sanitizers need their rights"
  smtptalk -- moat-smtpd --log none --queue unix:"$BATS_TEST_TMPDIR/door" <<<"< 220
proc ^Seccomp:\s*2
proc ^NoNewPrivs:\s*1
$quit"
  talk <<<"< 220
proc ^Seccomp:\s*0
proc ^NoNewPrivs:\s*0
$quit"
}
