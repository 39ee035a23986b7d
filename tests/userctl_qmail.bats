#!/usr/bin/env bats
# moat-userctl(8): import --from qmail, from a made-up installation.

bats_require_minimum_version 1.5.0

setup() {
  unset "${!MOAT_@}"
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
  q=$BATS_TEST_TMPDIR/qmail
  anna=$BATS_TEST_TMPDIR/home/anna
  log=$BATS_TEST_TMPDIR/log
  mkdir -p "$q/control" "$q/users" "$q/alias" "$anna"
  echo mail.example.test >"$q/control/me"
  printf 'example.test\nmail.example.test\n' >"$q/control/locals"
  printf 'example.test\nshop.test\ninside.test\n' >"$q/control/rcpthosts"
  echo shop.test:shop >"$q/control/virtualdomains"
  echo inside.test:192.0.2.7:26 >"$q/control/smtproutes"
  assign >"$q/users/assign"
  printf '&anna@example.test\n' >"$q/alias/.qmail-postmaster"
  printf 'anna\n&bo@elsewhere.test\n' >"$q/alias/.qmail-shop-info"
  printf 'anna@example.test\n' >"$q/alias/.qmail-shop-default"
  printf '|autoresponder\n' >"$q/alias/.qmail-robot"
  ln -s .qmail-postmaster "$q/alias/.qmail-root"
  printf './lists/\n' >"$anna/.qmail-lists"
}

assign() {
  printf '=anna:anna:1000:1001:%s:::\n+anna-:anna:1000:1001:%s:-::\n.\n' "$anna" "$anna"
}

teardown() {
  [ -z "${watcher:-}" ] || kill -KILL "$watcher" 2>/dev/null || :
}

# Waits until the log has so many lines of this event.
logged() {
  local tries
  for ((tries = 0; tries < 200; ++tries)); do
    [ "$(grep -c "event=$1" "$log")" -lt "${2:-1}" ] || return 0
    sleep 0.1
  done
  cat "$log"
  return 1
}

watch() {
  moat-userctl import --from "qmail:$q" --watch 2>"$log" 3>&- &
  watcher=$!
  logged imported
}

@test "what qmail would do with an address is what the directory says" {
  moat-userctl domain add old.test
  run -0 moat-userctl import --from "qmail:$q"
  [[ "$output" == *"event=left-out file=$q/alias/.qmail-robot line=1 reason=\"a program is not run here\""* ]]
  [[ "$output" == *"event=imported domains=4 entries=12" ]]
  run -0 moat-userctl check anna@example.test
  [ "$output" = "check=recipient result=account address=anna@example.test maildir=$anna/Maildir owner=1000:1001" ]
  run -0 moat-userctl check Anna-Lists@example.test
  [ "$output" = "check=recipient result=account address=anna-lists@example.test maildir=$anna/lists owner=1000:1001" ]
  run -0 moat-userctl check postmaster@example.test
  [[ "$output" == *"result=alias"*"target=anna@example.test" ]]
  run -0 moat-userctl check root@example.test
  [[ "$output" == *"result=alias"*"target=anna@example.test" ]]
  run -0 moat-userctl check info@shop.test
  [ "$output" = "check=recipient result=alias address=info@shop.test target=anna@mail.example.test target=bo@elsewhere.test" ]
  run -0 moat-userctl check whoever@shop.test
  [ "$output" = "check=recipient result=alias address=default@shop.test target=anna@example.test" ]
  run -0 moat-userctl check x@inside.test
  [ "$output" = "check=recipient result=routed address=x@inside.test route=192.0.2.7:26" ]
  run -1 moat-userctl check robot@example.test
  run -1 moat-userctl check whoever@example.test
  run -1 moat-userctl check x@old.test
}

@test "--dry-run prints an export, and changes nothing" {
  moat-userctl domain add old.test
  moat-userctl import --from "qmail:$q" --dry-run >"$BATS_TEST_TMPDIR/text" 2>"$log"
  grep -q 'event=checked domains=4 entries=12' "$log"
  run -0 moat-userctl domain list
  [ "$output" = old.test ]
  moat-userctl import "$BATS_TEST_TMPDIR/text"
  moat-userctl export | sort >"$BATS_TEST_TMPDIR/one"
  moat-userctl import --from "qmail:$q"
  moat-userctl export | sort | cmp - "$BATS_TEST_TMPDIR/one"
  sort "$BATS_TEST_TMPDIR/text" | cmp - "$BATS_TEST_TMPDIR/one"
}

@test "nothing is run, and a user's symbolic link leads nowhere" {
  rm "$anna/.qmail-lists"
  printf '|touch %s/ran\n`touch %s/ran`@x.test\n' "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" \
    >"$q/alias/.qmail-evil"
  echo secret@example.test >"$BATS_TEST_TMPDIR/secret"
  ln -s "$BATS_TEST_TMPDIR/secret" "$anna/.qmail-spy"
  mkfifo "$anna/.qmail-pipe"
  head -c 65537 /dev/zero >"$anna/.qmail-big"
  run -0 timeout 20 moat-userctl import --from "qmail:$q"
  for name in spy pipe big; do
    [[ "$output" == *"file=$anna/.qmail-$name reason=\"is no plain file of at most 64 KiB\""* ]]
  done
  [ ! -e "$BATS_TEST_TMPDIR/ran" ]
  run -0 moat-userctl export
  [[ "$output" != *secret@* && "$output" != *anna-* && "$output" != *evil* ]]
}

@test "a wrong line names file and line, and changes nothing" {
  moat-userctl domain add old.test
  printf 'a.test\n\nb c\n' >"$q/control/locals"
  run -100 moat-userctl import --from "qmail:$q"
  [ "$output" = "moat-userctl: fatal: $q/control/locals: line 3: not a domain name: b c" ]
  echo example.test >"$q/control/locals"
  printf '=anna:anna:x:1:/home/anna:::\n.\n' >"$q/users/assign"
  run -100 moat-userctl import --from "qmail:$q"
  [ "$output" = "moat-userctl: fatal: $q/users/assign: line 1: UID and GID are numbers" ]
  head -c 16777217 /dev/zero >"$q/control/rcpthosts"
  run -100 moat-userctl import --from "qmail:$q"
  [[ "$output" == "moat-userctl: fatal: $q/control/rcpthosts"* ]]
  run -111 moat-userctl import --from "qmail:$BATS_TEST_TMPDIR/none"
  [ "$output" = "moat-userctl: fatal: $BATS_TEST_TMPDIR/none/control: No such file or directory" ]
  run -0 moat-userctl domain list
  [ "$output" = old.test ]
}

@test "--make-maildirs makes none that a user's file names" {
  echo "$BATS_TEST_TMPDIR/planted/" >"$anna/.qmail-lists"
  run -0 moat-userctl import --from "qmail:$q" --make-maildirs
  run -0 moat-userctl check anna-lists@example.test
  [[ "$output" == *"maildir=$BATS_TEST_TMPDIR/planted "* ]]
  [ ! -e "$BATS_TEST_TMPDIR/planted" ]
  [ ! -e "$anna/Maildir" ]
  [ -d "$MOAT_DIR/mail/shop.test/postmaster/new" ]
}

@test "a wrong call exits 100" {
  run -100 moat-userctl import --from sendmail
  [ "$output" = "moat-userctl: fatal: --from takes qmail or qmail:DIR, an absolute path" ]
  run -100 moat-userctl import --from qmail:relative
  run -100 moat-userctl import --from ''
  run -100 moat-userctl import --from "qmail:$q" file
  run -100 moat-userctl import --from "qmail:$q" --watch --dry-run
  run -100 moat-userctl import --watch
}

@test "--watch follows control, users, alias and homes, until SIGTERM" {
  rm -r "$q/users"
  watch
  run -1 moat-userctl check sales@example.test
  echo anna@example.test >"$q/alias/.qmail-sales"
  logged imported 2
  moat-userctl check sales@example.test
  echo new.test >"$q/control/locals.new"
  mv "$q/control/locals.new" "$q/control/locals"
  logged imported 3
  moat-userctl check sales@new.test
  mkdir "$q/users"
  assign >"$q/users/assign"
  logged imported 4
  moat-userctl check anna-lists@new.test
  echo ./work/ >"$anna/.qmail-work"
  logged imported 5
  moat-userctl check anna-work@new.test
  rm "$anna/.qmail-work"
  logged imported 6
  run -1 moat-userctl check anna-work@new.test
  kill -TERM "$watcher"
  wait "$watcher"
  watcher=
}

@test "--watch keeps what was good while a file is wrong" {
  watch
  echo 'not a domain' >"$q/control/locals"
  logged failed
  grep -q "event=failed file=$q reason=\"$q/control/locals: line 1: not a domain name: not a domain\"" "$log"
  moat-userctl check anna@example.test
  echo example.test >"$q/control/locals"
  logged imported 2
  moat-userctl check anna@example.test
  # What is not qmail's in a home is no change.
  echo mail >"$anna/other"
  echo x@y.test >"$q/alias/.qmail-last"
  logged imported 3
  [ "$(grep -c event=imported "$log")" = 3 ]
  kill -INT "$watcher"
  wait "$watcher"
  watcher=
}
