#!/usr/bin/env bats
# The whole gate on the services of svscan/, from a client to a Maildir.

bats_require_minimum_version 1.5.0

load gate

setup_file() {
  start_gate "$BATS_FILE_TMPDIR/said"
  export runner gate port session
}

teardown_file() {
  kill "$runner"
  wait "$runner" 2>/dev/null || :
}

# Fails unless MAILBOX holds one message with this subject.
has_one() { # MAILBOX SUBJECT
  run grep -lrx "Subject: $2" "$gate/mail/example.test/$1/new"
  [ "${#lines[@]}" = 1 ]
}

@test "a message lands in a Maildir" {
  run -0 send_mail anna@example.test plain
  [[ $output == *"250 2.0.0"* ]]
  await "$gate/log/send/current" 'event=delivered*sender=plain@example.org'
  has_one anna plain
  file=${lines[0]}
  grep -qx 'Return-Path: <plain@example.org>' "$file"
  grep -qx 'Delivered-To: anna@example.test' "$file"
  grep -q '^Received: from .*127\.0\.0\.1.* by mx\.example\.test' "$file"
}

@test "an alias leads to its target" {
  run -0 send_mail sales@example.test alias
  await "$gate/log/send/current" 'event=delivered*sender=alias@example.org'
  has_one anna alias
}

@test "a list reaches all its members, and each once" {
  run -0 send_mail team@example.test list
  for name in anna bert; do
    await "$gate/log/send/current" "event=delivered*sender=list@example.org recipient=$name@"
  done
  has_one anna list
  has_one bert list
}

@test "a sub-address and the postmaster are known" {
  run -0 send_mail anna+news@example.test sub
  run -0 send_mail postmaster@example.test post --quit-after RCPT
}

@test "an unknown recipient is refused" {
  run send_mail nobody@example.test unknown
  [ "$status" != 0 ]
  [[ $output == *"550 5.1.1"* ]]
}

@test "a stranger cannot relay" {
  for recipient in a@example.net 'a%example.net@mx.example.org' '"a@example.net"@b.example'; do
    run send_mail "$recipient" relay
    [ "$status" != 0 ]
    [[ $output == *"550 5.7.1"* ]]
  done
}

@test "a customer may, for as long as he is one" {
  at_gate moat-relayctl allow 127.0.0.1
  run -0 send_mail a@example.net relay --quit-after RCPT
  [[ $output == *"250 2.1.5"* ]]
  at_gate moat-relayctl remove 127.0.0.1
  run send_mail a@example.net relay --quit-after RCPT
  [[ $output == *"550 5.7.1"* ]]
}

@test "an access rule holds for the next connection" {
  echo '127.0.0.1:allow,DATABYTES="10"' | at_gate moat-relayctl rules smtp
  run send_mail anna@example.test big
  [ "$status" != 0 ]
  [[ $output == *"5.3.4"* ]]
  echo ':allow' | at_gate moat-relayctl rules smtp
  run -0 send_mail anna@example.test big --quit-after RCPT
}

@test "a new user may receive at once" {
  run send_mail carl@example.test early --quit-after RCPT
  [[ $output == *"550 5.1.1"* ]]
  at_gate moat-userctl user add carl@example.test
  run -0 send_mail carl@example.test early
  await "$gate/log/send/current" 'event=delivered*sender=early@example.org'
  has_one carl early
}

@test "services that are killed come back, and mail arrives" {
  for service in queue send local remote; do
    at_gate svc -k "$gate/etc/svscan/$service"
  done
  # Until the queue's door is back, smtpd says 451.
  tries=0
  until run send_mail bert@example.test killed && [[ $output == *"250 2.0.0"* ]]; do
    [ $((tries += 1)) -lt 100 ]
  done
  await "$gate/log/send/current" 'event=delivered*sender=killed@example.org'
  has_one bert killed
}

@test "a message waits while there is nobody to deliver it" {
  at_gate svc -d "$gate/etc/svscan/send"
  until at_gate svstat "$gate/etc/svscan/send" | grep -q ': down'; do
    read -r -t 0.05 <> <(:) || :
  done
  run -0 send_mail bert@example.test waiting
  run -0 at_gate moat-queuectl list
  [[ $output == *waiting@example.org* ]]
  at_gate svc -u "$gate/etc/svscan/send"
  await "$gate/log/send/current" 'event=delivered*sender=waiting@example.org'
  has_one bert waiting
  run -0 at_gate moat-queuectl list
  [[ $output != *waiting@example.org* ]]
}
