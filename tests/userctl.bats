#!/usr/bin/env bats
# moat-userctl(8): who receives mail here, from the shell.

bats_require_minimum_version 1.5.0

setup() {
  unset "${!MOAT_@}"
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
  moat-userctl domain add example.test
}

teardown() {
  [ -z "${writer:-}" ] || kill -KILL "$writer" 2>/dev/null || :
}

@test "a user is known by his address, in any case and with a tag" {
  moat-userctl user add Anna@Example.TEST
  for address in anna@example.test ANNA@EXAMPLE.test anna+news@example.test \
    '"anna"@example.test'; do
    run -0 moat-userctl check "$address"
    [ "$output" = "check=recipient result=account address=anna@example.test maildir=$MOAT_DIR/mail/example.test/anna" ]
  done
  [ -d "$MOAT_DIR/mail/example.test/anna/new" ]
  [ "$(stat -c %a "$MOAT_DIR/mail/example.test/anna/tmp")" = 700 ]
}

@test "who is not there is not, and exits 1" {
  run -1 moat-userctl check nobody@example.test
  [ "$output" = "check=recipient result=unknown address=nobody@example.test" ]
  run -1 moat-userctl check anna@elsewhere.test
  [ "$output" = "check=recipient result=foreign" ]
}

@test "postmaster is always there, with a Maildir" {
  run -0 moat-userctl check Postmaster
  [ "$output" = "check=recipient result=account address=postmaster@example.test maildir=$MOAT_DIR/mail/example.test/postmaster" ]
  [ -d "$MOAT_DIR/mail/example.test/postmaster/cur" ]
  moat-userctl domain add second.test
  run -0 moat-userctl check postmaster@second.test
  run -0 moat-userctl check postmaster
  [[ "$output" == *address=postmaster@example.test* ]]
  moat-userctl domain remove example.test
  run -0 moat-userctl check postmaster
  [[ "$output" == *address=postmaster@second.test* ]]
}

@test "aliases, lists, catch-all and routes resolve as they were said" {
  moat-userctl user add anna@example.test
  moat-userctl alias add sales@example.test anna@example.test Bo@Elsewhere.TEST
  run -0 moat-userctl check sales@example.test
  [ "$output" = "check=recipient result=alias address=sales@example.test target=anna@example.test target=Bo@elsewhere.test" ]
  moat-userctl list add team@example.test --members /etc/team
  run -0 moat-userctl check team@example.test
  [ "$output" = "check=recipient result=list address=team@example.test members=/etc/team" ]
  moat-userctl domain set example.test --catch-all anna@example.test
  run -0 moat-userctl check whoever@example.test
  [[ "$output" == *"address=anna@example.test"* ]]
  moat-userctl domain set example.test --catch-all ''
  run -1 moat-userctl check whoever@example.test
  moat-userctl domain add inside.test --route mx.inside.test:2525 --recipients any
  run -0 moat-userctl check x@inside.test
  [ "$output" = "check=recipient result=routed address=x@inside.test route=mx.inside.test:2525" ]
}

@test "an alias must lead somewhere" {
  run -100 moat-userctl alias add sales@example.test nobody@example.test
  [ "$output" = "moat-userctl: fatal: no such recipient: nobody@example.test" ]
  run -1 moat-userctl check sales@example.test
}

@test "set changes what it is told and nothing else" {
  moat-userctl user add anna@example.test --trap --owner 1000:1001
  moat-userctl user set anna@example.test --greylist off
  run -0 moat-userctl user show anna@example.test
  [ "$output" = "user anna@example.test --owner 1000:1001 --trap --greylist off" ]
  run -0 moat-userctl check anna@example.test
  [[ "$output" == *"owner=1000:1001 trap=yes greylist=off" ]]
}

@test "list and remove" {
  moat-userctl user add b@example.test
  moat-userctl user add a@example.test
  moat-userctl alias add c@example.test a@example.test
  run -0 moat-userctl user list
  [ "$output" = $'a@example.test\nb@example.test' ]
  run -0 moat-userctl user list other.test
  [ -z "$output" ]
  run -100 moat-userctl domain remove example.test
  [ "$output" = "moat-userctl: fatal: example.test still has users, aliases or lists" ]
  run -100 moat-userctl user remove c@example.test
  moat-userctl user remove a@example.test
  run -1 moat-userctl check a@example.test
  run -0 moat-userctl domain list
  [ "$output" = example.test ]
}

@test "a local part cannot leave the folder of its domain" {
  moat-userctl user add '"../../../../evil"@example.test'
  [ -d "$MOAT_DIR/mail/example.test/%2E.%2F..%2F..%2F..%2Fevil/new" ]
  moat-userctl user add '"."@example.test'
  [ -d "$MOAT_DIR/mail/example.test/%2E/new" ]
  run -100 moat-userctl domain add ../evil
  run -100 moat-userctl domain add ..
  run -100 moat-userctl user add $'"a\nb"@example.test'
}

@test "a wrong call exits 100 and changes nothing" {
  moat-userctl export >"$BATS_TEST_TMPDIR/before"
  run -100 moat-userctl
  run -100 moat-userctl user
  run -100 moat-userctl user add
  run -100 moat-userctl user add anna
  run -100 moat-userctl user add anna@nowhere.test
  [ "$output" = "moat-userctl: fatal: no such domain: nowhere.test" ]
  run -100 moat-userctl user add anna@example.test bert@example.test
  run -100 moat-userctl user add anna@example.test --members /x
  run -100 moat-userctl user add anna@example.test --owner 0:0
  run -100 moat-userctl user add anna@example.test --maildir relative
  run -100 moat-userctl list add anna@example.test
  run -100 moat-userctl domain add x.test --recipients any
  run -100 moat-userctl domain add x.test --route 'a b'
  run -100 moat-userctl domain add example.test
  [ "$output" = "moat-userctl: fatal: example.test is there already" ]
  moat-userctl export | cmp - "$BATS_TEST_TMPDIR/before"
}

@test "passwords come from standard input, and only their hashes stay" {
  moat-userctl user add anna@example.test --password-stdin <<<'first secret'
  run -0 strings -n 8 "$MOAT_DIR/secrets/secrets.mdb"
  [[ "$output" == *'$argon2id$v=19$'* ]]
  [[ "$output" != *'first secret'* ]]
  [ "$(stat -c %a "$MOAT_DIR/secrets/secrets.mdb")" = 600 ]
  moat-userctl passwd anna@example.test --password-stdin <<<'second secret'
  run -100 moat-userctl passwd anna@example.test --password-stdin </dev/null
  [ "$output" = "moat-userctl: fatal: the password is empty" ]
  head -c 600 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/long"
  run -100 moat-userctl passwd anna@example.test --password-stdin <"$BATS_TEST_TMPDIR/long"
  run -100 moat-userctl passwd nobody@example.test --password-stdin <<<x
  [ "$output" = "moat-userctl: fatal: no such user: nobody@example.test" ]
  run -100 setsid -w moat-userctl passwd anna@example.test </dev/null
  [ "$output" = "moat-userctl: fatal: no terminal to ask at: use --password-stdin" ]
}

@test "a terminal is asked twice and shows nothing" {
  moat-userctl user add anna@example.test
  ask() { script -qec "moat-userctl passwd anna@example.test" /dev/null; }
  run -0 ask < <(sleep 0.5; echo secret; sleep 0.5; echo secret)
  [[ "$output" == *"Password for anna@example.test: "*"Again: "* ]]
  run -100 ask < <(sleep 0.5; echo secret; sleep 0.5; echo Secret)
  [[ "$output" == *"the two passwords differ"* ]]
}

@test "export and import are the same, in both directions" {
  moat-userctl domain add two.test --catch-all anna@example.test
  moat-userctl domain add three.test --route unix:/run/lmtp --recipients ask
  moat-userctl user add anna@example.test --trap
  moat-userctl user add '"a \"b\" c#"@two.test' --maildir "$BATS_TEST_TMPDIR/it's"
  moat-userctl user add '#x@two.test'
  moat-userctl user add "$(printf 'l%.0s' {1..64})@two.test"
  moat-userctl alias add sales@example.test anna@example.test '"x y"@other.test'
  moat-userctl list add team@example.test --members /etc/team --greylist off
  moat-userctl export >"$BATS_TEST_TMPDIR/one"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/one")" = 10 ]
  export MOAT_DIR=$BATS_TEST_TMPDIR/other
  export MOAT_MAIL=$MOAT_DIR/mail
  moat-statectl init --user-only
  moat-userctl import "$BATS_TEST_TMPDIR/one"
  moat-userctl export | cmp - "$BATS_TEST_TMPDIR/one"
  moat-userctl import <"$BATS_TEST_TMPDIR/one"
  moat-userctl export | cmp - "$BATS_TEST_TMPDIR/one"
  run -0 moat-statectl check
}

@test "an import with a mistake names its line and changes nothing" {
  moat-userctl user add anna@example.test
  mistake() {
    printf '# comment\n\ndomain new.test\n%s\n' "$1" >"$BATS_TEST_TMPDIR/text"
    run -100 moat-userctl import "$BATS_TEST_TMPDIR/text"
    [[ "$output" == "moat-userctl: fatal: $2"* ]]
    moat-userctl check anna@example.test
  }
  mistake 'user bert' 'line 4: not an address: bert'
  mistake 'user b@new.test --no-such x' 'line 4: no such option: --no-such'
  mistake 'user b@new.test --owner' 'line 4: --owner takes a value'
  mistake "user 'b@new.test" 'line 4: a quote is not closed'
  mistake 'person b@new.test' 'line 4: takes domain, user, alias or list, not "person"'
  mistake 'user b@other.test' 'b@other.test is in a domain that is not there'
  mistake $'user b@new.test\nalias B@new.test c@x.test' 'b@new.test comes twice'
  mistake $'domain new.test' 'new.test comes twice'
  run -111 moat-userctl import "$BATS_TEST_TMPDIR/none"
}

@test "import keeps relay networks, and --dry-run keeps everything" {
  moat-userctl user add anna@example.test
  echo 'domain new.test' >"$BATS_TEST_TMPDIR/text"
  run -0 moat-userctl import --dry-run "$BATS_TEST_TMPDIR/text"
  [ "$output" = "moat-userctl: event=checked domains=1 entries=0" ]
  moat-userctl check anna@example.test
  run -0 moat-userctl import "$BATS_TEST_TMPDIR/text"
  [ "$output" = "moat-userctl: event=imported domains=1 entries=0" ]
  run -1 moat-userctl check anna@example.test
  run -0 moat-userctl check postmaster
  [[ "$output" == *postmaster@new.test* ]]
}

@test "a bar is drawn on a terminal alone" {
  { echo domain example.test; printf 'user u%d@example.test\n' {1..3000}; } \
    >"$BATS_TEST_TMPDIR/text"
  run -0 moat-userctl import "$BATS_TEST_TMPDIR/text"
  [[ "$output" != *%* ]]
  run -0 script -qec "moat-userctl import $BATS_TEST_TMPDIR/text" /dev/null </dev/null
  [[ "$output" == *"reading ["*"]"*% ]] || [[ "$output" == *"reading ["*"]"*%* ]]
}

@test "a look-up during an import never sees a part" {
  directory() { echo domain example.test; seq -f "user $1%.0f@example.test" 20000; echo user zz@example.test; }
  directory a >"$BATS_TEST_TMPDIR/a"
  directory b >"$BATS_TEST_TMPDIR/b"
  moat-userctl import "$BATS_TEST_TMPDIR/a"
  for _ in 1 2 3; do
    moat-userctl import "$BATS_TEST_TMPDIR/b" && moat-userctl import "$BATS_TEST_TMPDIR/a"
  done 3>&- 2>/dev/null &
  local looks=0
  while kill -0 $! 2>/dev/null; do
    moat-userctl check zz@example.test
    looks=$((looks + 1))
  done
  wait $!
  [ "$looks" -gt 5 ]
  run -0 moat-userctl check a1@example.test
  run -1 moat-userctl check b1@example.test
}

@test "a writer that is stopped or killed holds up no look-up" {
  moat-userctl user add anna@example.test
  mkfifo "$BATS_TEST_TMPDIR/never"
  # The writer's lock, held by a process that does nothing any more.
  python3 - "$MOAT_DIR/control/control.mdb.writer" 3>&- <<-'EOF' &
	import fcntl, os, struct, sys, time
	fd = os.open(sys.argv[1], os.O_RDWR)
	fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))
	open(os.path.dirname(sys.argv[1]) + '/held', 'w')
	time.sleep(300)
	EOF
  writer=$!
  until [ -e "$MOAT_DIR/control/held" ]; do sleep 0.05; done
  kill -STOP "$writer"
  run -0 timeout 5 moat-userctl check anna@example.test
  run -0 timeout 5 moat-userctl user list
  [ "$output" = anna@example.test ]
  run -124 timeout 1 moat-userctl user add bert@example.test
  kill -KILL "$writer"
  moat-userctl user add bert@example.test
  run -0 moat-userctl check bert@example.test
}

@test "a directory that cannot be trusted is 111, never yes and never no" {
  moat-userctl user add anna@example.test
  public=$MOAT_DIR/control/public.mdb
  cp "$public" "$BATS_TEST_TMPDIR/whole"
  run -111 env MOAT_DIR="$BATS_TEST_TMPDIR/none" moat-userctl check anna@example.test
  [[ "$output" == *"public.mdb: No such file or directory (moat-statectl init makes it)" ]]
  for size in 0 1000 4096 8191; do
    truncate -s $size "$public"
    run -111 moat-userctl check anna@example.test
    [[ "$output" == *"$public: "*damaged* ]]
  done
  head -c 20000 /dev/urandom >"$public"
  run -111 moat-userctl check anna@example.test
  cp "$BATS_TEST_TMPDIR/whole" "$public"
  moat-userctl check anna@example.test
  [ "$(id -u)" = 0 ] || {
    chmod 0 "$public"
    run -111 moat-userctl check anna@example.test
    [[ "$output" == *"Permission denied"* ]]
  }
}

@test "a disk that is full refuses the change and keeps what was" {
  moat-userctl user add anna@example.test
  # A bound on the size of files does as a full disk does: EFBIG.
  run bash -c 'ulimit -f 40; trap "" XFSZ; for i in {1..400}; do moat-userctl user add u$i@example.test || exit $?; done'
  [ "$status" -eq 111 ]
  moat-userctl check anna@example.test
  moat-userctl user add bert@example.test
  run -0 moat-statectl check
}
