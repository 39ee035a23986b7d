#!/usr/bin/env bats
# moat-remote(8), against servers that do as told, and real ones.

bats_require_minimum_version 1.5.0

setup() {
  export MOAT_ME=me.test
  message=$BATS_TEST_TMPDIR/message
  printf 'Subject: hello\n\n.dot\nend\n' >"$message"
  servers=()
}

teardown() {
  for pid in "${servers[@]}"; do kill "$pid" && wait "$pid" || :; done
}

# Starts a server, and sets $port; what it is sent lands in $log.
server() {
  log=$BATS_TEST_TMPDIR/log.${#servers[@]}
  local out
  exec {out}< <(exec "$BATS_TEST_DIRNAME/mailserver.py" "$@" "$log" 3>&-)
  servers+=($!)
  read -r port <&"$out"
  exec {out}<&-
}

# Runs moat-remote with the message of this test.
remote() { moat-remote "$@" <"$message"; }

@test "a message goes to each recipient, and each has a line" {
  server --offer PIPELINING --offer SIZE --offer 8BITMIME
  run -111 remote --to "127.0.0.1:$port" s@a.test good@b.test bad@b.test later@b.test
  [ "${lines[0]}" = "K good@b.test 2.0.0 127.0.0.1:$port said: 250 2.0.0 taken" ]
  [ "${lines[1]}" = "D bad@b.test 5.1.1 127.0.0.1:$port said: 550 5.1.1 no such user" ]
  [ "${lines[2]}" = "Z later@b.test 4.2.0 127.0.0.1:$port said: 450 4.2.0 not now" ]
  [ "${#lines[@]}" = 3 ]
  [ "$(tr -d '\r' <"$log")" = "EHLO me.test
MAIL FROM:<s@a.test> SIZE=29
RCPT TO:<good@b.test>
RCPT TO:<bad@b.test>
RCPT TO:<later@b.test>
DATA
Subject: hello

..dot
end
.
QUIT" ]
  run -0 grep -c $'\r$' "$log"
  [ "$output" = 12 ]
}

@test "the exit code is the worst that is temporary, else that is permanent" {
  server
  run -0 remote --to "localhost:$port" s@a.test good@b.test
  run -100 remote --to "localhost:$port" '' good@b.test bad@b.test
  run -111 remote --to "localhost:$port" '' bad@b.test many@b.test
  run -100 remote --to "localhost:$port" '' bad@b.test
  grep -q '^MAIL FROM:<>' "$log"
}

@test "LMTP has an answer for each recipient, at a port and at a socket" {
  for where in port socket; do
    if [ $where = port ]; then
      server --lmtp --offer PIPELINING
      to=(--lmtp --to "127.0.0.1:$port")
    else
      server --lmtp --unix "$BATS_TEST_TMPDIR/lmtp"
      to=(--to "unix:$BATS_TEST_TMPDIR/lmtp")
    fi
    run -111 remote "${to[@]}" s@a.test one@b.test bad@b.test full@b.test
    [[ ${lines[0]} == "K one@b.test 2.0.0 "* ]]
    [[ ${lines[1]} == "D bad@b.test 5.1.1 "* ]]
    [[ ${lines[2]} == "Z full@b.test 4.2.2 "*"452 4.2.2 full" ]]
    [ "$(head -n 1 "$log")" = $'LHLO me.test\r' ]
  done
}

@test "lines leave with CRLF, whatever they came with" {
  server
  printf 'A: b\r\n\r\nx\ry\n.\r\r\nlast' >"$message"
  run -0 remote --to "127.0.0.1:$port" s@a.test a@b.test
  run -0 sed -n '/^DATA/,/^\.\r$/p' "$log"
  [ "$output" = $'DATA\r\nA: b\r\n\r\nx y\r\n.. \r\nlast\r\n.\r' ]
}

@test "an empty message and one from a pipe are messages" {
  server
  run -0 moat-remote --to "127.0.0.1:$port" s@a.test a@b.test </dev/null
  head -c 3000000 /dev/zero | tr '\0' 'x' | fold -w 70 >"$message"
  run -0 --separate-stderr bash -c \
    'cat "$1" | moat-remote --to "127.0.0.1:$2" s@a.test a@b.test' - "$message" "$port"
  [ "$(grep -c ^xxx "$log")" = "$(grep -c ^xxx "$message")" ]
}

@test "what the server lacks is found out before the message is sent" {
  server --offer 'SIZE 20'
  run -100 remote --to "127.0.0.1:$port" s@a.test a@b.test
  [[ $output == "D a@b.test 5.3.4 127.0.0.1:$port takes at most 20 octets" ]]
  server --offer 8BITMIME
  run -100 remote --to "127.0.0.1:$port" s@a.test ä@b.test b@b.test
  [[ ${lines[0]} == "D ä@b.test 5.6.7 "* ]]
  [[ ${lines[1]} == "K b@b.test "* ]]
  server --offer SMTPUTF8 --offer 8BITMIME
  run -0 remote --to "127.0.0.1:$port" s@a.test ä@b.test
  grep -q '^MAIL FROM:<s@a.test> SMTPUTF8' "$log"
}

@test "a server that closes anywhere leaves the message for later" {
  for where in greeting hello mail rcpt data body final; do
    server --close $where --offer PIPELINING
    run -111 remote --to "127.0.0.1:$port" s@a.test a@b.test
    [[ $output == "Z a@b.test 4.4.2 127.0.0.1:$port "* ]]
    [[ $where != final || $output == *"may have arrived"* ]]
  done
}

@test "a server that falls silent anywhere is not waited for for ever" {
  waits=(--connect-timeout 200ms --command-timeout 200ms --data-timeout 200ms
    --block-timeout 200ms --final-timeout 200ms)
  for where in greeting hello mail rcpt data final; do
    server --hang $where
    run -111 remote "${waits[@]}" --to "127.0.0.1:$port" s@a.test a@b.test
    [[ $output == "Z a@b.test 4.4.2 127.0.0.1:$port timed out"* ]]
  done
  # More than the buffers on the way can hold.
  head -c 20000000 /dev/zero >"$message"
  server --hang body
  run -111 remote "${waits[@]}" --to "127.0.0.1:$port" s@a.test a@b.test
  [[ $output == "Z a@b.test 4.4.2 127.0.0.1:$port timed out" ]]
}

@test "a server that refuses us as a whole leaves the message for later" {
  server --greeting '554 no service here'
  run -111 remote --to "127.0.0.1:$port" s@a.test a@b.test
  [[ $output == *"said: 554 no service here" ]]
  server --hello 550
  run -0 remote --to "127.0.0.1:$port" s@a.test a@b.test   # HELO it takes
  grep -q '^HELO me.test' "$log"
}

@test "nobody there is 4.4.1" {
  server
  kill "${servers[0]}" && wait "${servers[0]}" || :
  servers=()
  run -111 remote --to "127.0.0.1:$port" s@a.test a@b.test
  [ "$output" = "Z a@b.test 4.4.1 127.0.0.1:$port: connect: Connection refused" ]
  run -111 remote --to "nowhere.invalid" s@a.test a@b.test
  [ "$output" = "Z a@b.test 4.4.1 nowhere.invalid:25: no address for this name in /etc/hosts" ]
  run -111 remote --to "unix:$BATS_TEST_TMPDIR/none" s@a.test a@b.test
}

@test "what the server says cannot forge a line" {
  server --final $'250 ok\x1b[2J\x07'
  run -0 remote --to "127.0.0.1:$port" s@a.test a@b.test
  [ "$output" = "K a@b.test 2.0.0 127.0.0.1:$port said: 250 ok?[2J?" ]
}

@test "a wrong call exits 100" {
  run -100 remote s@a.test a@b.test
  [ "$output" = "moat-remote: fatal: takes --to: there is no look-up of MX yet" ]
  run -100 remote --to 127.0.0.1:0 s@a.test a@b.test
  run -100 remote --to 127.0.0.1 s@a.test
  run -100 remote --serve "$BATS_TEST_TMPDIR/door" s@a.test
  run -100 env MOAT_REMOTE_SERVE=x moat-remote
}

@test "our own smtpd takes what remote sends" {
  command -v moat-smtpd >/dev/null || skip "no moat-smtpd"
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  mkdir "$MOAT_DIR"
  moat-statectl init --user-only >/dev/null
  moat-userctl domain add b.test
  moat-userctl user add a@b.test
  cat >"$BATS_TEST_TMPDIR/queue" <<-'END'
	#!/bin/sh
	cat >"$MOAT_DIR/got" && cat <&1 >"$MOAT_DIR/envelope"
	END
  chmod +x "$BATS_TEST_TMPDIR/queue"
  socat "UNIX-LISTEN:$MOAT_DIR/smtp,fork" \
    "EXEC:env PROTO=UNIX MOAT_DIR=$MOAT_DIR moat-smtpd --queue $BATS_TEST_TMPDIR/queue,fdin=0,fdout=1" 2>"$MOAT_DIR/log" 3>&- &
  servers+=($!)
  until [ -S "$MOAT_DIR/smtp" ]; do sleep 0.05; done
  printf 'Subject: x\n\n.\n..\nb\xc3\xa4\n' >"$message"
  run -100 remote --to "smtp:unix:$MOAT_DIR/smtp" s@a.test a@b.test c@b.test
  [[ ${lines[0]} == "K a@b.test 2.0.0 "*"said: 250 "* ]]
  [[ ${lines[1]} == "D c@b.test 5.1.1 "* ]]
  sed -i '/^Received:/,/^[^ \t]/{/^Received:/d;/^[ \t]/d}' "$MOAT_DIR/got"
  cmp "$message" "$MOAT_DIR/got"
  [ "$(tr '\0' ' ' <"$MOAT_DIR/envelope")" = "Fs@a.test Ta@b.test  " ]
}
