#!/usr/bin/env bats
# moat-local(8): a message and a Maildir.

bats_require_minimum_version 1.5.0

load local

@test "a message is delivered with its envelope on top" {
  SENDER=s@a.test RECIPIENT=r@b.test run -0 local_ "$box"
  [ -z "$output" ]
  holds 1
  [ "$(cat "$box"/new/*)" = "Return-Path: <s@a.test>
Delivered-To: r@b.test
Subject: hello

body" ]
  [ "$(stat -c %a "$box"/new/*)" = 600 ]
  [[ $(ls "$box/new") =~ ^[0-9]+\.P[0-9_]+\.me\.test$ ]]
  run -0 local_ --sender '' "$box"
  run -0 local_ "$box"
  holds 3
  run -0 grep -rch Return-Path "$box/new"
  [ "$(sort <<<"$output")" = $'0\n1\n1' ]
}

@test "a message comes back to the mailbox it was in: a loop" {
  printf 'Received: x\nDELIVERED-TO:  R@b.test \nSubject: y\n\nDelivered-To: s@b.test\n' >"$message"
  RECIPIENT=r@B.test run -100 local_ "$box"
  [ "$output" = "moat-local: 5.4.6 mail loop: was delivered to this mailbox before" ]
  holds 0
  RECIPIENT=s@b.test run -0 local_ "$box"   # what stands in the body does not count
  RECIPIENT=other@b.test run -0 local_ "$box"
  holds 2
}

@test "a mailbox that is missing or not ours is for later" {
  run -111 local_ "$BATS_TEST_TMPDIR/none"
  [ "$output" = "moat-local: 4.2.1 mailbox is missing" ]
  [ ! -e "$BATS_TEST_TMPDIR/none" ]
  rmdir "$box/new"
  run -111 local_ "$box"
  : >"$box/new"
  run -111 local_ "$box"
  run -111 local_ "$message"
  rm "$box/new" && mkdir "$box/new"
  [ "$(id -u)" != 0 ] || own
  if [ "$(id -u)" != 0 ]; then
    chmod 500 "$box/tmp"
    run -111 local_ "$box"
    [[ $output == "moat-local: 4.3.0 tmp: Permission denied" ]]
    chmod 700 "$box/tmp" && chmod 500 "$box/new"
    run -111 local_ "$box"
    chmod 700 "$box/new"
  fi
  holds 0
}

@test "new/ that leads elsewhere is not followed" {
  mkdir "$BATS_TEST_TMPDIR/elsewhere"
  rmdir "$box/new" && ln -s "$BATS_TEST_TMPDIR/elsewhere" "$box/new"
  run -111 local_ "$box"
  [ -z "$(ls -A "$BATS_TEST_TMPDIR/elsewhere")" ]
}

@test "a message over the limit is for later, and nothing is left of it" {
  head -c 100000 /dev/zero >"$message"
  run -111 bash -c 'ulimit -f 20; exec moat-local "$1" <"$2"' - "$box" "$message"
  [ "$output" = "moat-local: 4.2.2 message is over the mailbox's size limit" ]
  holds 0
}

@test "--create makes what is missing" {
  box=$BATS_TEST_TMPDIR/b.test/new-box
  if [ "$(id -u)" = 0 ]; then skip "as root the folder has no owner yet"; fi
  run -0 local_ --create "$box"
  holds 1
  [ "$(stat -c %a "$box")" = 700 ]
  rmdir "$box/cur"
  run -0 local_ --create "$box"
  holds 2
}

@test "a door delivers, and a second try of the same is no second message" {
  serve
  run -0 ask abcR0 r@b.test "$box"
  [ "$output" = "K2.0.0 delivered" ]
  [ "$(ls "$box/new")" = 1000000000.QabcR0.me.test ]
  run -0 ask abcR0 r@b.test "$box"
  [ "$output" = "K2.0.0 delivered" ]
  holds 1
  run -0 ask abcR1 r@b.test "$box"
  holds 2
  # A name that something else has taken is not taken for the message.
  : >"$box/new/1000000000.QabcR2.me.test"
  run -0 ask abcR2 r@b.test "$box"
  [ "$output" = "K2.0.0 delivered" ]
  holds 4
  run -0 ask abcR3 r@b.test "$BATS_TEST_TMPDIR/none"
  [ "$output" = "Z4.2.1 mailbox is missing" ]
}

@test "a door takes no request that is not one" {
  serve
  for bad in "a/b r@b.test $box" "a r@b.test box" "a r@b.test $box/../box" "a r@b.test $box x"; do
    # shellcheck disable=SC2086 # words
    run -0 ask $bad
    [ "$output" = closed ]
  done
  holds 0
  grep -q 'event=refused reason="bad field in request: maildir"' "$BATS_TEST_TMPDIR/log"
}

@test "a door is for those who were named" {
  serve --from 12345
  run ask abc r@b.test "$box"
  [ "$output" = closed ] || [ "$status" != 0 ]
  holds 0
  until grep -q "event=refused reason=caller uid=$(id -u)" "$BATS_TEST_TMPDIR/log"; do sleep 0.05; done
}

@test "SIGTERM ends the door, and a new one takes its place" {
  serve
  kill "$server"
  wait "$server"
  serve
  if [ "$(id -u)" != 0 ]; then run -0 ask a r@b.test "$box" && holds 1; fi
}

@test "a wrong call exits 100" {
  run -100 local_
  [ "$output" = "moat-local: fatal: takes a DIR, or --serve PATH" ]
  run -100 local_ "$box" "$box"
  run -100 local_ --serve "$BATS_TEST_TMPDIR/door" "$box"
  run -100 local_ --min-uid 0 "$box"
}
