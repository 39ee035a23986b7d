#!/usr/bin/env bats
# moat-smtpd: what only root can set up.

bats_require_minimum_version 1.5.0
load ../smtpd

PATH=$BATS_TEST_DIRNAME/../tools:$PATH

setup() {
  [ "$(id -u)" = 0 ] || skip "needs root"
  # Where another user may look, on a file system that knows setuid.
  folder=$(mktemp -d /var/tmp/moat-test.XXXXXX)
  chmod 755 "$folder"
  export MOAT_DIR=$folder/gate
  moat-statectl init --user-only
  moat-userctl domain add example.test
  moat-userctl user add user@example.test
}

teardown() {
  rm -rf "$folder"
}

# As qmail-queue stands in /var/qmail/bin: setuid to a user that is neither root
# nor the caller. A script cannot be setuid, so a copy of id(1) is.
@test "a setuid queue program runs as its owner" {
  cp "$(command -v id)" "$folder/queue"
  chown daemon "$folder/queue"
  chmod 4755 "$folder/queue"
  runuser -u nobody -- "$folder/queue" -u | grep -qx "$(id -u daemon)" ||
    skip "no setuid on this file system"
  touch "$folder/uid"
  chown nobody "$folder/uid"
  # What id(1) prints would go into the envelope.
  cat >"$folder/wrapper" <<END
#!/bin/sh
exec "$folder/queue" -u >"$folder/uid"
END
  chmod 755 "$folder/wrapper"
  smtptalk -- setpriv --reuid=nobody --regid=nogroup --clear-groups \
    "$(command -v moat-smtpd)" --queue "$folder/wrapper" <<<"$data> x
> .
< 250
$quit"
  [ "$(cat "$folder/uid")" = "$(id -u daemon)" ]
}
