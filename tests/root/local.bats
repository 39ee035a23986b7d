#!/usr/bin/env bats
# moat-local(8) as root: owners, and a disk of its own.

bats_require_minimum_version 1.5.0

load ../local

@test "a full disk is for later, and nothing is left on it" {
  mount -t tmpfs -o size=64k,uid=65534,gid=65534,mode=755 tmpfs "$box" || skip "no tmpfs"
  tmpfs=$box
  mkdir "$box"/{tmp,new,cur} && chown 65534:65534 "$box"/{tmp,new,cur}
  head -c 100000 /dev/zero >"$message"
  run -111 local_ "$box"
  [ "$output" = "moat-local: 4.3.1 disk is full" ]
  holds 0
  echo small >"$message"
  run -0 local_ "$box"
  holds 1
}

@test "as root it becomes the mailbox's owner, but nobody important" {
  run -0 local_ "$box"
  [ "$(stat -c %u:%g "$box"/new/*)" = 65534:65534 ]
  chown -R 0:0 "$box"
  run -111 local_ "$box"
  [[ $output == "moat-local: 4.3.5 mailbox belongs to "* ]]
  chown -R 50:50 "$box"
  run -111 local_ "$box"
  run -0 local_ --min-uid 50 "$box"
  holds 2
}

@test "a door as root delivers as the owner, and never below --min-uid" {
  serve
  run -0 ask a r@b.test "$box" 65534:65534
  [ "$output" = "K2.0.0 delivered" ]
  [ "$(stat -c %u "$box"/new/*)" = 65534 ]
  run -0 ask b r@b.test "$box" 0:0
  [[ $output == "Z4.3.5 "* ]]
  run -0 ask b r@b.test "$box" 99:99
  [[ $output == "Z4.3.5 "* ]]
  run -0 ask b r@b.test "$box" 1000:0
  [[ $output == "Z4.3.5 "* ]]
  run -0 ask b r@b.test "$box" 1234:1234
  [[ $output == "Z4.3.0 "*"Permission denied" ]]
  holds 1
}

@test "remote's door wants a user" {
  run -100 moat-remote --serve "$BATS_TEST_TMPDIR/door"
  [ "$output" = "moat-remote: fatal: as root it takes --user: it faces the network" ]
}
