#!/usr/bin/env bats
# moat-send(8): from the queue to where mail belongs.

bats_require_minimum_version 1.5.0

setup() {
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate MOAT_ME=me.test
  log=$BATS_TEST_TMPDIR/log
  mkdir "$MOAT_DIR"
  pids=()
  # As root: the gate belongs to a user who can reach it.
  as=(env)
  if [ "$(id -u)" = 0 ]; then
    as=(setuidgid nobody)
    chown 65534:65534 "$MOAT_DIR"
    chmod o+rx "$BATS_TEST_TMPDIR"{,/..,/../..}
  fi
  user moat-statectl init --user-only >/dev/null
  user moat-userctl domain add b.test
  user moat-userctl user add anna@b.test
  user moat-userctl user add bob@b.test
  user moat-userctl alias add postmaster@b.test anna@b.test
  printf 'Subject: hello\nMessage-ID: <1@a.test>\n\nbody\n' >"$BATS_TEST_TMPDIR/message"
}

teardown() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || :; done
}

# Runs a program as the user whose gate it is.
user() { "${as[@]}" "$@"; }

# Puts the message into the queue.
inject() { # SENDER RECIPIENT ...
  local sender=$1
  shift
  { printf 'F%s\0' "$sender" && printf 'T%s\0' "$@" && printf '\0'; } >"$BATS_TEST_TMPDIR/envelope"
  user moat-queue --log none <"$BATS_TEST_TMPDIR/message" 1<"$BATS_TEST_TMPDIR/envelope"
}

# Starts moat-send and sets $send.
start() {
  touch "$log"
  "${as[@]}" moat-send "$@" 2>>"$log" 3>&- &
  send=$!
  pids+=("$send")
}

stop() { kill "$send" && wait "$send"; }

# Waits until COUNT lines of the log hold TEXT.
await() { # TEXT [COUNT]
  for _ in $(seq 400); do
    [ "$(grep -c -- "$1" "$log")" -lt "${2:-1}" ] || return 0
    sleep 0.05
  done
  echo "never came: $1" && cat "$log" && return 1
}

# Waits until the queue holds COUNT messages.
queued() { # COUNT
  local now
  for _ in $(seq 400); do
    now=$(user moat-queuectl list 2>/dev/null | grep -c . || :)
    [ "$now" != "$1" ] || return 0
    sleep 0.05
  done
  echo "$now messages, not $1" && user moat-queuectl list && cat "$log" && return 1
}

has_queuectl() { command -v moat-queuectl >/dev/null; }

# Prints how many messages a mailbox holds.
count() { find "$MOAT_DIR/mail/b.test/$1/new" -type f | wc -l; }

# Starts a server and sets $port and $said.
server() {
  local out
  said=$BATS_TEST_TMPDIR/said.${#pids[@]}
  exec {out}< <(exec "$BATS_TEST_DIRNAME/mailserver.py" "$@" "$said" 3>&-)
  pids+=($!)
  read -r port <&"$out"
  exec {out}<&-
}

@test "a message lands in each mailbox once, and leaves the queue" {
  start
  inject s@a.test anna@b.test BOB+tag@B.test
  await event=delivered 2
  [ "$(count anna)" = 1 ] && [ "$(count bob)" = 1 ]
  grep -rqx 'Delivered-To: BOB+tag@B.test' "$MOAT_DIR/mail/b.test/bob/new"
  grep -rqx 'Return-Path: <s@a.test>' "$MOAT_DIR/mail/b.test/bob/new"
  if has_queuectl; then queued 0; fi
  stop
}

@test "what was queued before it started is delivered too" {
  inject s@a.test anna@b.test
  inject s@a.test bob@b.test
  start
  await event=delivered 2
}

@test "a large message goes by its file" {
  head -c 3000000 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/message"
  start
  inject s@a.test anna@b.test
  await event=delivered
  tail -n +3 "$MOAT_DIR"/mail/b.test/anna/new/* | cmp - "$BATS_TEST_TMPDIR/message"
  [ -z "$(find "$MOAT_DIR/spool/mess" -type f)" ] || { sleep 1 && [ -z "$(find "$MOAT_DIR/spool/mess" -type f)" ]; }
}

@test "it can be killed at work and started again: nothing is lost" {
  for i in $(seq 40); do inject "s$i@a.test" anna@b.test bob@b.test; done
  for _ in 1 2 3 4 5 6; do
    start
    sleep 0.0$((RANDOM % 9 + 1))
    kill -KILL "$send"
    wait "$send" 2>/dev/null || :
  done
  start
  await event=delivered 1
  for _ in $(seq 200); do
    [ "$(count anna)" -lt 40 ] || [ "$(count bob)" -lt 40 ] || break
    sleep 0.05
  done
  if has_queuectl; then queued 0; fi
  # Each at least once; by the names in new/, none twice.
  [ "$(count anna)" = 40 ] && [ "$(count bob)" = 40 ]
  run -0 grep -rhc 'Return-Path' "$MOAT_DIR/mail/b.test/anna/new"
}

@test "aliases lead to their targets, each of them once" {
  user moat-userctl alias add both@b.test anna@b.test bob@b.test
  user moat-userctl alias add all@b.test both@b.test anna@b.test
  start
  inject s@a.test all@b.test anna@b.test
  await event=delivered 2
  await event=expanded 1
  if has_queuectl; then queued 0; fi
  [ "$(count anna)" = 1 ] && [ "$(count bob)" = 1 ]
}

@test "a list of 1,000 members is a message of its own, from its owner" {
  server --offer PIPELINING
  for i in $(seq 998); do echo "m$i@far.test"; done >"$BATS_TEST_TMPDIR/members"
  printf 'anna@b.test\nbob@b.test\nnot an address\n' >>"$BATS_TEST_TMPDIR/members"
  chmod 644 "$BATS_TEST_TMPDIR/members"
  user moat-userctl list add list@b.test --members "$BATS_TEST_TMPDIR/members"
  user moat-userctl alias add list-owner@b.test anna@b.test
  echo "far.test smtp:127.0.0.1:$port" >"$BATS_TEST_TMPDIR/routes"
  start --route "$BATS_TEST_TMPDIR/routes"
  inject s@a.test list@b.test
  await event=delivered 1000
  [ "$(count anna)" = 1 ] && [ "$(count bob)" = 1 ]
  grep -rqx 'Return-Path: <list-owner@b.test>' "$MOAT_DIR/mail/b.test/bob/new"
  [ "$(grep -c '^RCPT TO:<m[0-9]*@far.test>' "$said")" = 998 ]
  [ "$(grep '^RCPT TO' "$said" | sort -u | wc -l)" = 998 ]
  [ "$(grep -c '^MAIL FROM:<list-owner@b.test>' "$said")" -ge 10 ]
  [ "$(grep -c '^Subject' "$said")" -lt 20 ]
  await 'event=bad-members .* lines=1'
}

@test "a list whose file is missing waits, and hurts nobody" {
  user moat-userctl list add list@b.test --members "$BATS_TEST_TMPDIR/members" ||
    { : >"$BATS_TEST_TMPDIR/members" && user moat-userctl list add list@b.test --members "$BATS_TEST_TMPDIR/members" && rm "$BATS_TEST_TMPDIR/members"; }
  start
  inject s@a.test list@b.test anna@b.test
  await event=delivered
  await 'event=deferred .*recipient=list@b.test .*text="4.3.5 '
  [ -z "$(grep 'event=deferred' "$log" | grep members)" ]
}

@test "what fails is told to the sender in one report" {
  start
  inject anna@b.test nobody@b.test x@nowhere.test bob@b.test
  await 'event=delivered .*recipient=anna@b.test'
  [ "$(count anna)" = 1 ] && [ "$(count bob)" = 1 ]
  report=$(cat "$MOAT_DIR"/mail/b.test/anna/new/*)
  [[ $report == "Return-Path: <>"* ]]
  [[ $report == *"Content-Type: multipart/report; report-type=delivery-status;"* ]]
  [[ $report == *"Final-Recipient: rfc822; nobody@b.test
Action: failed
Status: 5.1.1"* ]]
  [[ $report == *"Final-Recipient: rfc822; x@nowhere.test
Action: failed
Status: 5.4.4"* ]]
  [[ $report == *"Message-ID: <1@a.test>"* ]]
  [[ $report != *$'\nbody\n'* ]]
  python3 - "$MOAT_DIR"/mail/b.test/anna/new/* <<-'END'
	import email, sys
	report = email.message_from_file(open(sys.argv[1]))
	kinds = [part.get_content_type() for part in report.get_payload()]
	assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"], kinds
	status = report.get_payload()[1].get_payload()
	assert [one["Status"] for one in status[1:]] == ["5.1.1", "5.4.4"], status
	END
  if has_queuectl; then queued 0; fi
}

@test "a bounce is never bounced: it goes to the postmaster, and then nowhere" {
  start
  inject gone@b.test nobody@b.test
  await event=double-bounce
  await 'event=delivered .*sender=#@\[\]'
  grep -rqx 'Return-Path: <>' "$MOAT_DIR/mail/b.test/anna/new"
  inject '' nobody@b.test
  await event=double-bounce 2
  inject '#@[]' nobody@b.test
  await event=dropped
  if has_queuectl; then queued 0; fi
}

@test "mail for elsewhere goes by the routes" {
  server --lmtp --offer PIPELINING
  echo "far.test lmtp:127.0.0.1:$port" >"$BATS_TEST_TMPDIR/routes"
  start --route "$BATS_TEST_TMPDIR/routes"
  inject anna@b.test one@far.test bad@FAR.test full@far.test
  await 'event=delivered .*recipient=one@far.test .*said: 250 2.0.0 taken'
  await 'event=failed .*recipient=bad@FAR.test .*said: 550 5.1.1'
  await 'event=deferred .*recipient=full@far.test .*next=\(39[0-9]\|400\) .*452 4.2.2 full'
  await 'event=delivered .*recipient=anna@b.test'
  [ "$(grep -c '^Subject: hello' "$said")" = 1 ]
  # A domain with a route of its own in the directory, and a new route by HUP.
  user moat-userctl domain add routed.test --route "127.0.0.1:$port" --recipients any
  echo "* lmtp:127.0.0.1:$port" >"$BATS_TEST_TMPDIR/routes"
  kill -HUP "$send"
  inject anna@b.test two@anywhere.test
  await 'event=delivered .*recipient=two@anywhere.test'
}

@test "a wrong routes file stops it at start, and is ignored at SIGHUP" {
  echo "far.test" >"$BATS_TEST_TMPDIR/routes"
  run -100 user moat-send --route "$BATS_TEST_TMPDIR/routes"
  [ "$output" = "moat-send: fatal: $BATS_TEST_TMPDIR/routes: line 1: not DOMAIN ROUTE, or twice" ]
  : >"$BATS_TEST_TMPDIR/routes"
  start --route "$BATS_TEST_TMPDIR/routes"
  inject s@a.test anna@b.test
  await event=delivered
  echo "far.test" >"$BATS_TEST_TMPDIR/routes"
  kill -HUP "$send"
  await 'event=trouble reason=.*line 1'
  inject s@a.test anna@b.test
  await event=delivered 2
}

@test "a destination that is down rests, and the others do not notice" {
  server --hang greeting
  down=$port
  server
  up=$port
  printf 'down.test smtp:127.0.0.1:%s\nup.test smtp:127.0.0.1:%s\n' 1 "$up" >"$BATS_TEST_TMPDIR/routes"
  start --route "$BATS_TEST_TMPDIR/routes" --per-route 2
  for i in $(seq 30); do inject "s$i@a.test" "u$i@down.test"; done
  await event=deferred 30
  [ "$(grep -c 'text="4.4.1 127.0.0.1:1: connect: Connection refused"' "$log")" -le 3 ]
  [ "$(grep -c 'text="4.4.1 not tried: ' "$log")" -ge 27 ]
  inject s@a.test u@up.test anna@b.test
  await event=delivered 2
  # One that is silent takes no more than its share of the places.
  echo "silent.test smtp:127.0.0.1:$down" >>"$BATS_TEST_TMPDIR/routes"
  kill -HUP "$send"
  for i in $(seq 30); do inject "s$i@a.test" "u$i@silent.test"; done
  inject s@a.test u@up.test
  await event=delivered 3
}

@test "a full mailbox is tried again, and given up after the lifetime" {
  rmdir "$MOAT_DIR/mail/b.test/bob/new"
  start
  inject anna@b.test bob@b.test
  await 'event=deferred .*next=\(9[0-9]\|100\) text="4.2.1 mailbox is missing"'
  stop
  # Two hours later it is tried, and later again.
  MOAT_CLOCK_OFFSET=7200 start
  await event=deferred 2
  [ "$(count anna)" = 0 ]
  stop
  # Six days later that was the last try.
  MOAT_CLOCK_OFFSET=518400 start
  await 'event=failed .*text="5.4.7 not delivered in 5d: 4.2.1 mailbox is missing"'
  await 'event=delivered .*recipient=anna@b.test'
  [ "$(count anna)" = 1 ]
}

@test "SIGALRM tries everything now" {
  rmdir "$MOAT_DIR/mail/b.test/bob/new"
  start
  inject s@a.test bob@b.test
  await event=deferred
  user mkdir "$MOAT_DIR/mail/b.test/bob/new"
  kill -ALRM "$send"
  await event=delivered
}

@test "doors that are shut are waited for, and nothing is counted" {
  server
  echo "far.test smtp:127.0.0.1:$port" >"$BATS_TEST_TMPDIR/routes"
  start --local "$MOAT_DIR/run/local" --remote "unix:$MOAT_DIR/run/remote" --route "$BATS_TEST_TMPDIR/routes"
  mkdir -p "$MOAT_DIR/run" && chmod 777 "$MOAT_DIR/run"
  inject s@a.test anna@b.test u@far.test
  await "event=trouble reason=.*$MOAT_DIR/run/local: No such file"
  await "event=trouble reason=.*$MOAT_DIR/run/remote: No such file"
  [ "$(grep -c event=deferred "$log")" = 0 ]
  "${as[@]}" moat-local --serve "$MOAT_DIR/run/local" 2>/dev/null 3>&- &
  pids+=($!)
  "${as[@]}" moat-remote --serve "$MOAT_DIR/run/remote" 2>/dev/null 3>&- &
  pids+=($!)
  await event=delivered 2
  [ "$(count anna)" = 1 ]
}

@test "a worker that dies takes nothing with it" {
  user mkdir -p "$MOAT_DIR/run"
  python3 - "$MOAT_DIR/run/local" 3>&- <<-'END' &
	import os, socket, sys
	door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	door.bind(sys.argv[1])
	os.chmod(sys.argv[1], 0o666)
	door.listen(5)
	for answer in (None, b"K2.0.0 a\0K2.0.0 b\0", b"nonsense", b"\0"):
	    peer, _ = door.accept()
	    peer.recv(100000)
	    if answer: peer.send(answer)
	    peer.close()
	END
  pids+=($!)
  until [ -S "$MOAT_DIR/run/local" ]; do sleep 0.02; done
  start --local "$MOAT_DIR/run/local"
  inject s@a.test anna@b.test
  await 'event=deferred .*text="4.3.0 the delivery broke off"'
  for i in 2 3 4; do
    kill -ALRM "$send"
    await 'event=deferred .*text="4.3.0 the delivery broke off"' "$i"
  done
}

@test "a message whose octets are gone is told of and kept, never bounced" {
  small=$(cat "$BATS_TEST_TMPDIR/message")
  head -c 400000 /dev/zero | tr '\0' x >>"$BATS_TEST_TMPDIR/message"
  inject s@b.test bob@b.test
  rm "$MOAT_DIR"/spool/mess/*
  echo "$small" >"$BATS_TEST_TMPDIR/message"
  inject s@a.test anna@b.test
  MOAT_CLOCK_OFFSET=30d start --lifetime 1d
  await event=delivered
  await event=damaged
  kill -ALRM "$send"
  await event=damaged 2
  [ "$(count anna)" = 1 ] && [ "$(count bob)" = 0 ]
  [ -z "$(grep -E 'event=(bounce|failed|dropped)' "$log")" ]
  stop
  run -1 user moat-queuectl check
  user moat-queuectl remove all
  run -0 user moat-queuectl check
}

@test "only one works at a queue, and SIGTERM ends it" {
  start
  inject s@a.test anna@b.test
  await event=delivered
  run -111 user moat-send
  [[ $output == "moat-send: fatal: another moat-send works at "* ]]
  stop
  start
  inject s@a.test anna@b.test
  await event=delivered 2
}

@test "a directory that cannot be read stops nothing for good" {
  mv "$MOAT_DIR/control" "$MOAT_DIR/away"
  start
  inject s@a.test anna@b.test
  await event=trouble
  run -1 grep -q -e event=failed -e event=deferred "$log"
  mv "$MOAT_DIR/away" "$MOAT_DIR/control"
  await event=delivered
}

@test "a wrong call exits 100, a missing queue 111" {
  run -100 moat-send operand
  run -100 moat-send --local relative
  run -100 moat-send --lifetime forever
  run -100 env MOAT_SEND_ROUTE=/etc/passwd moat-send operand
  MOAT_SPOOL=$BATS_TEST_TMPDIR/none run -111 moat-send
}
