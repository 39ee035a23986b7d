#!/usr/bin/env bats
# moat-statectl(8): the state that the programs share.

bats_require_minimum_version 1.5.0

setup() {
  unset "${!MOAT_@}"
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  control=$MOAT_DIR/control/control.mdb
  public=$MOAT_DIR/control/public.mdb
  learned=$MOAT_DIR/state/state.mdb
}

teardown() {
  [ -z "${keeper:-}" ] || kill -KILL "$keeper" 2>/dev/null || :
}

init() {
  moat-statectl init --user-only
  moat-userctl domain add example.test
  moat-userctl user add anna@example.test
}

# Starts keep and waits until it is ready.
keep() {
  moat-statectl keep "$@" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  keeper=$!
  logged event=serving
}

logged() {
  for _ in {1..200}; do
    ! grep -q -- "$1" "$BATS_TEST_TMPDIR/log" || return 0
    sleep 0.05
  done
  cat "$BATS_TEST_TMPDIR/log"
  return 1
}

stop_keeper() {
  kill -TERM "$keeper"
  wait "$keeper"
  keeper=
}

mode() { stat -c %a "$1"; }

@test "init makes a whole gate, with modes whatever the umask" {
  (umask 077 && moat-statectl init --user-only)
  [ "$(mode "$MOAT_DIR/control")" = 755 ]
  [ "$(mode "$MOAT_DIR/secrets")" = 700 ]
  [ "$(mode "$MOAT_DIR/state")" = 2770 ]
  [ "$(mode "$public")" = 644 ]
  [ "$(mode "$MOAT_DIR/relay/public.mdb")" = 644 ]
  for file in "$control" "$MOAT_DIR/relay/relay.mdb" "$MOAT_DIR/secrets/secrets.mdb" \
    "$MOAT_DIR/spool/queue.mdb"; do
    for part in "$file" "$file-lock" "$file.writer"; do
      [ "$(mode "$part")" = 600 ]
    done
  done
  for file in state tokens; do [ "$(mode "$MOAT_DIR/state/$file.mdb-lock")" = 660 ]; done
  [ -d "$MOAT_DIR/run" ] && [ -d "$MOAT_DIR/mail" ] && [ -d "$MOAT_DIR/etc/env" ]
  run -0 moat-statectl check
}

@test "init again keeps what is there and mends what is missing" {
  init
  moat-userctl passwd anna@example.test --password-stdin <<<secret
  rm "$control-lock" "$control.writer" "$public"
  run -111 moat-userctl user list
  [[ "$output" == *"control.mdb-lock: No such file or directory (moat-statectl init makes it)" ]]
  moat-statectl init --user-only
  run -0 moat-userctl user list
  [ "$output" = anna@example.test ]
  moat-userctl check anna@example.test
  run -0 strings -n 8 "$MOAT_DIR/secrets/secrets.mdb"
  [[ "$output" == *argon2id* ]]
}

@test "no program makes a file by accident" {
  for call in 'moat-userctl user list' 'moat-userctl check a@b.test' \
    'moat-userctl domain add x.test' 'moat-statectl keep'; do
    run -111 $call
  done
  [ ! -e "$MOAT_DIR" ]
  run -0 moat-statectl info
  [[ "$output" == *"moat-statectl init makes it"* ]]
  [ ! -e "$MOAT_DIR" ]
}

@test "init as root gives each part to its user" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  roles=(moat moatscan moatq moatremote moatrelay moatpw moatmail moatstate moatrun)
  names=()
  for role in "${roles[@]}"; do names+=(--name "$role=daemon"); done
  run -0 moat-statectl init "${names[@]}"
  [ "$(stat -c %U:%G "$control")" = root:root ]
  [ "$(stat -c %U:%G "$MOAT_DIR/secrets/secrets.mdb")" = daemon:daemon ]
  [ "$(stat -c %U:%G "$MOAT_DIR/relay/public.mdb")" = daemon:daemon ]
  [ "$(stat -c %U:%G "$MOAT_DIR/spool/queue.mdb-lock")" = daemon:daemon ]
  [ "$(stat -c %U "$MOAT_DIR/mail")" = daemon ]
  moat-userctl domain add example.test
  moat-userctl user add anna@example.test
  [ "$(stat -c %U "$MOAT_DIR/mail/example.test/anna/new")" = daemon ]
  run -100 moat-statectl init --name moat=no-such-user
  run -100 moat-statectl init --name nobody=daemon
}

@test "init of a shared gate needs root" {
  [ "$(id -u)" != 0 ] || skip "not as root"
  run -100 moat-statectl init
  [ "$output" = "moat-statectl: fatal: init needs root; --user-only makes a gate of your own" ]
  [ ! -e "$MOAT_DIR" ]
}

@test "info counts, check is content" {
  init
  run -0 moat-statectl info
  [[ "${lines[0]}" == "file=$control entries=3 size="*" used=4096 readers="* ]]
  [ "${#lines[@]}" -eq 6 ]
  run -0 moat-statectl check
  [ "${lines[0]}" = "file=$control result=ok" ]
  [ "${lines[5]}" = "file=$MOAT_DIR/spool/queue.mdb result=ok" ]
}

# Flips a bit in the records of u7.
spoil() {
  python3 - "$1" <<-'EOF'
	import sys
	octets = bytearray(open(sys.argv[1], 'rb').read())
	for place in range(len(octets) - 20):
	    if octets[place:place + 14] == b'u7@example.tes': octets[place] ^= 1
	open(sys.argv[1], 'wb').write(octets)
	EOF
}

@test "check finds damage, and says where" {
  init
  for i in {1..30}; do echo "user u$i@example.test"; done |
    { echo domain example.test; cat; } | moat-userctl import
  cp "$control" "$BATS_TEST_TMPDIR/whole"
  spoil "$control"
  run -1 moat-statectl check
  [[ "${lines[0]}" == "file=$control result=damaged reason="* ]]
  cp "$BATS_TEST_TMPDIR/whole" "$control"
  run -0 moat-statectl check
  truncate -s 9000 "$control"
  run -1 moat-statectl check
  [[ "${lines[0]}" == "file=$control result=damaged reason="* ]]
  cp "$BATS_TEST_TMPDIR/whole" "$control"
  spoil "$public"
  run -1 moat-statectl check
  [[ "${lines[0]}" == *"public.mdb: is not what control.mdb holds (moat-statectl keep mends it)\"" ]]
}

@test "keep publishes what is not published, and ends on SIGTERM" {
  init
  rm "$public"
  keep --snapshot 1s
  logged "event=published file=$control"
  moat-userctl check anna@example.test
  stop_keeper
  run -0 moat-statectl check
}

@test "keep takes snapshots, and info shows their age" {
  init
  keep --snapshot 1s --verbose
  logged event=snapshot
  [ "$(mode "$learned.snapshot")" = 660 ]
  stop_keeper
  run -0 moat-statectl info
  [[ "$output" == *"file=$learned entries=1 "*" snapshot_age="* ]]
}

# Makes the state look as if it came from the boot before, by writing another
# boot id over ours.
reboot() {
  python3 - "$@" <<-'EOF'
	import sys
	boot = open('/proc/sys/kernel/random/boot_id').read().strip().encode()
	for path in sys.argv[1:]:
	    octets = open(path, 'rb').read()
	    assert boot in octets
	    # The sum is no longer right: as when the pages were never written.
	    open(path, 'wb').write(octets.replace(boot, boot[::-1]))
	EOF
}

@test "state of another boot that did not end cleanly gives way to the snapshot" {
  init
  keep --snapshot 1s --verbose
  logged event=snapshot
  kill -KILL "$keeper"
  wait "$keeper" || :
  reboot "$learned" "$MOAT_DIR/state/tokens.mdb"
  rm "$MOAT_DIR/state/tokens.mdb.snapshot"
  keep
  grep -q "event=recovered file=$learned age=" "$BATS_TEST_TMPDIR/log"
  grep -q "event=lost file=$MOAT_DIR/state/tokens.mdb" "$BATS_TEST_TMPDIR/log"
  stop_keeper
  run -0 moat-statectl check
  # The same boot again: nothing to do.
  keep
  run -1 grep -e recovered -e lost "$BATS_TEST_TMPDIR/log"
}

@test "backup and restore" {
  init
  moat-userctl passwd anna@example.test --password-stdin <<<secret
  moat-userctl export >"$BATS_TEST_TMPDIR/before"
  moat-statectl backup "$BATS_TEST_TMPDIR/copy"
  [ "$(mode "$BATS_TEST_TMPDIR/copy")" = 700 ]
  [ "$(mode "$BATS_TEST_TMPDIR/copy/secrets.mdb")" = 600 ]
  [ ! -e "$BATS_TEST_TMPDIR/copy/queue.mdb" ]
  moat-userctl user remove anna@example.test
  moat-userctl user add bert@example.test
  moat-statectl restore "$BATS_TEST_TMPDIR/copy"
  moat-userctl export | cmp - "$BATS_TEST_TMPDIR/before"
  moat-userctl check anna@example.test
  run -1 moat-userctl check bert@example.test
  run -0 strings -n 8 "$MOAT_DIR/secrets/secrets.mdb"
  [[ "$output" == *argon2id* ]]
  run -0 moat-statectl check
}

@test "a damaged backup restores nothing" {
  init
  moat-statectl backup "$BATS_TEST_TMPDIR/copy"
  moat-userctl user add bert@example.test
  truncate -s 4096 "$BATS_TEST_TMPDIR/copy/secrets.mdb"
  run -111 moat-statectl restore "$BATS_TEST_TMPDIR/copy"
  [[ "$output" == *"secrets.mdb: "*damaged* ]]
  moat-userctl check bert@example.test
  run -100 moat-statectl restore "$BATS_TEST_TMPDIR"
  [ "$output" = "moat-statectl: fatal: $BATS_TEST_TMPDIR: no backup is there" ]
}

@test "a file of another PID namespace is refused while it is open there" {
  unshare --user --map-root-user --pid --fork true 2>/dev/null || skip "no namespaces here"
  init
  keep --snapshot 1h
  run -111 unshare --user --map-root-user --pid --fork --mount-proc moat-statectl keep
  [[ "$output" == *"in use from another PID namespace"* ]]
  stop_keeper
  run -0 unshare --user --map-root-user --pid --fork --mount-proc moat-statectl check
}

@test "a wrong call exits 100" {
  run -100 moat-statectl
  [ "$output" = "moat-statectl: fatal: takes init, keep, info, check, backup or restore" ]
  run -100 moat-statectl init now
  run -100 moat-statectl backup
  run -100 moat-statectl keep --snapshot 0
}
