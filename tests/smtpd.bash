# What the files about moat-smtpd share: a gate for example.test with a user and
# an alias, and a queue program that keeps what it is given.

PATH=$BATS_TEST_DIRNAME/tools:$PATH
export MOAT_ME=mx.example.test TCPREMOTEIP=192.0.2.7

# In setup_file.
make_gate() {
  export MOAT_DIR=$BATS_FILE_TMPDIR/gate
  moat-statectl init --user-only
  moat-userctl domain add example.test
  moat-userctl user add user@example.test
  moat-userctl alias add sales@example.test user@example.test
}

# In setup: $queue is a queue program that leaves message and envelope, with '|'
# for NUL, in the folder $got, numbered.
make_queue() {
  export TMPDIR=$BATS_TEST_TMPDIR
  got=$BATS_TEST_TMPDIR/got
  queue=$BATS_TEST_TMPDIR/queue
  mkdir "$got"
  cat >"$queue" <<END
#!/bin/sh
n=1
while ! mkdir "$got/\$n" 2>/dev/null; do n=\$((n + 1)); done
exec 3<&1 1>&2
tr '\\0' '|' <&3 >"$got/\$n/envelope"
env >"$got/\$n/env"
cat >"$got/\$n/message"
END
  chmod +x "$queue"
}

# Talks to moat-smtpd with these options as the script on standard input says. Its
# log is $BATS_TEST_TMPDIR/log.
talk() {
  smtptalk -- moat-smtpd --tarpit-delay 0 --queue "$queue" "$@" 2>"$BATS_TEST_TMPDIR/log" ||
    { cat "$BATS_TEST_TMPDIR/log" && return 1; }
}

# How many messages the queue program got.
messages() {
  find "$got" -mindepth 1 -maxdepth 1 | wc -l
}

# The log's last line that has these words.
logged() {
  grep "$@" "$BATS_TEST_TMPDIR/log" | tail -n 1
}

# What a script says to get as far as DATA.
hello=$'< 220\n> EHLO c.example\n< 250\n'
mail=$hello$'> MAIL FROM:<a@b.example>\n< 250\n> RCPT TO:<user@example.test>\n< 250\n'
data=$mail$'> DATA\n< 354\n'
quit=$'> QUIT\n< 221\neof\n'

# Skips unless the tables of sessions are there.
need_test_data() {
  test_data=${MOAT_TEST_DATA:-$BATS_TEST_DIRNAME/../../shared/data}
  [ -d "$test_data/smtp" ] || skip "no test data: set MOAT_TEST_DATA"
}
