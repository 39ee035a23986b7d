#!/usr/bin/env bats
# moat-relayctl: who may relay, and the access rules.

bats_require_minimum_version 1.5.0

setup() {
  unset PROTO RELAYCLIENT MOAT_VERDICT TCPREMOTEIP
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
}

teardown() {
  if [ -n "${door:-}" ]; then
    kill "$door" 2>/dev/null || :
    wait "$door" 2>/dev/null || :
  fi
}

# Says what a chain behind the check is told about a client.
told() { # ADDRESS
  TCPREMOTEIP=$1 moat-relayctl check \
    sh -c 'echo "${RELAYCLIENT-unset}|${MOAT_VERDICT-unset}"' 2>/dev/null
}

@test "the longest network says who may relay" {
  moat-relayctl allow 192.0.2.0/24
  moat-relayctl deny 192.0.2.66
  moat-relayctl allow 2001:db8::/32
  [ "$(told 192.0.2.1)" = "|unset" ]
  [ "$(told 192.0.2.66)" = "unset|unset" ]
  [ "$(told 2001:db8::9)" = "|unset" ]
  [ "$(told 198.51.100.1)" = "unset|unset" ]
  moat-relayctl remove 192.0.2.66
  [ "$(told 192.0.2.66)" = "|unset" ]
  run -100 moat-relayctl remove 192.0.2.66
  [ "$output" = "moat-relayctl: fatal: nothing is said of 192.0.2.66" ]
}

@test "RELAYCLIENT that a rule set stays, unless the client is denied" {
  export RELAYCLIENT=@suffix.example
  moat-relayctl allow 192.0.2.1
  moat-relayctl deny 192.0.2.2
  [ "$(told 192.0.2.1)" = "@suffix.example|unset" ]
  [ "$(told 192.0.2.2)" = "unset|unset" ]
  [ "$(told 192.0.2.3)" = "@suffix.example|unset" ]
}

@test "--for ends by itself" {
  moat-relayctl allow 192.0.2.1 --for 30m
  [ "$(told 192.0.2.1)" = "|unset" ]
  [ "$(MOAT_CLOCK_OFFSET=1790 told 192.0.2.1)" = "|unset" ]
  [ "$(MOAT_CLOCK_OFFSET=1801 told 192.0.2.1)" = "unset|unset" ]
  run -0 moat-relayctl list
  [[ $output =~ ^"allow 192.0.2.1 until "[0-9]+$ ]]
  MOAT_CLOCK_OFFSET=1801 run -0 moat-relayctl list
  [ "$output" = "" ]
}

@test "in the shell it says so, by text and exit code" {
  moat-relayctl allow 192.0.2.1
  moat-relayctl deny 192.0.2.2
  run -0 moat-relayctl check --ip 192.0.2.1
  [ "$output" = "check=relay result=allow" ]
  run -1 moat-relayctl check --ip 192.0.2.2
  [ "$output" = "check=relay result=deny" ]
  TCPREMOTEIP=192.0.2.3 run -1 moat-relayctl check
  [ "$output" = "check=relay result=none" ]
  run -100 moat-relayctl check
  run -100 moat-relayctl check --ip mx.example
}

@test "unsure is later: never yes, and never no for good" {
  moat-relayctl allow 192.0.2.1
  echo garbage >"$MOAT_DIR/control/new" && mv "$MOAT_DIR/control/new" "$MOAT_DIR/control/public.mdb"
  [ "$(RELAYCLIENT='' told 192.0.2.1)" = "unset|451 4.3.0 relay networks unreadable, try again later" ]
  [ "$(MOAT_VERDICT='550 5.7.1 no' told 192.0.2.1)" = "unset|550 5.7.1 no" ]
  run -111 moat-relayctl check --ip 192.0.2.1
}

@test "the next program keeps its options, and a unix client is let by" {
  TCPREMOTEIP=192.0.2.1 run -0 moat-relayctl check echo --ip 1 --help
  [ "$output" = "--ip 1 --help" ]
  TCPREMOTEIP=192.0.2.1 run -7 moat-relayctl check -- sh -c 'exit 7'
  PROTO=UNIX run -0 moat-relayctl check echo hello
  [ "$output" = hello ]
}

@test "import takes what export prints, all or nothing" {
  moat-relayctl allow 192.0.2.0/24
  moat-relayctl deny 2001:db8::1 --for 1h
  moat-relayctl export >"$BATS_TEST_TMPDIR/all"
  moat-relayctl remove 192.0.2.0/24
  moat-relayctl remove 2001:db8::1
  moat-relayctl import "$BATS_TEST_TMPDIR/all"
  moat-relayctl export | diff - "$BATS_TEST_TMPDIR/all"
  run -100 moat-relayctl import <<<$'allow 198.51.100.0/24\nperhaps 10.0.0.0/8'
  [[ $output == *"line 2: takes allow|deny NET"* ]]
  moat-relayctl export | diff - "$BATS_TEST_TMPDIR/all"
}

@test "access rules are compiled, tested, printed" {
  printf '%s\n' '# ours' '10.:allow,RELAYCLIENT=""' '10.1.2.3-5:deny' ':allow,X="a b"' |
    moat-relayctl rules smtp
  run -0 moat-relayctl rules smtp --test 10.1.2.6
  [ "$output" = 'result=allow rule="10.:allow,RELAYCLIENT=\"\""
RELAYCLIENT=""' ]
  run -1 moat-relayctl rules smtp --test 10.1.2.4
  [ "$output" = 'result=deny rule=10.1.2.3-5:deny' ]
  run -0 moat-relayctl rules smtp --test 2001:db8::1
  [ "${lines[1]}" = 'X="a b"' ]
  run -0 moat-relayctl rules smtp --export
  [ "$output" = $'10.:allow,RELAYCLIENT=""\n10.1.2.3-5:deny\n:allow,X="a b"' ]
  run -100 moat-relayctl rules other --export
}

@test "a wrong rule changes nothing and names its line" {
  moat-relayctl rules smtp <<<':allow'
  run -100 moat-relayctl rules smtp <<<$':allow\n10.:allow,PATH="/tmp"'
  [ "$output" = "moat-relayctl: fatal: line 2: no access rule may set PATH" ]
  run -100 moat-relayctl rules smtp <<<$'info@10.1.2.3:deny'
  run -0 moat-relayctl rules smtp --export
  [ "$output" = ":allow" ]
  run -100 moat-relayctl rules '../x' <<<':allow'
}

# What stands on the command line alone, no rule may set.
@test "rules know every option that is for the command line alone" {
  for main in "$BATS_TEST_DIRNAME"/../cmd/*/main.cc; do
    program=moat-$(basename "$(dirname "$main")")
    while read -r option; do
      name=$(tr 'a-z-' 'A-Z_' <<<"${program}_$option")
      run moat-relayctl rules smtp <<<":allow,$name=\"x\""
      [ "$status" = 100 ] || { echo "$name may be set"; false; }
    done < <("$program" --help | awk '/^  --/ { name = $1 } /\[command line only\]/ { print substr(name, 3) }')
  done
}

start_door() {
  moat-relayctl --serve "$MOAT_DIR/run/relay" "$@" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  door=$!
  until [ -S "$MOAT_DIR/run/relay" ]; do read -r -t 0.02 <> <(:) || :; done
}

@test "the door opens a window for an address, and nothing else" {
  start_door --max-for 2h
  moat-relayctl allow 192.0.2.7 --for 30m --via "$MOAT_DIR/run/relay"
  [ "$(told 192.0.2.7)" = "|unset" ]
  [ "$(MOAT_CLOCK_OFFSET=1801 told 192.0.2.7)" = "unset|unset" ]
  grep -q 'event=window ip=192.0.2.7 seconds=1800' "$BATS_TEST_TMPDIR/log"
  run -100 moat-relayctl allow 192.0.2.0/24 --for 30m --via "$MOAT_DIR/run/relay"
  run -100 moat-relayctl allow 192.0.2.8 --for 3h --via "$MOAT_DIR/run/relay"
  [ "$output" = "moat-relayctl: fatal: takes ADDRESS and 1 to 7200 seconds" ]
  [ "$(told 192.0.2.8)" = "unset|unset" ]
  # The administrator's word goes before a window.
  moat-relayctl deny 192.0.2.7
  [ "$(told 192.0.2.7)" = "unset|unset" ]
}

@test "a window that is open for nearly as long costs no write" {
  start_door
  moat-relayctl allow 192.0.2.7 --for 30m --via "$MOAT_DIR/run/relay"
  before=$(stat -c %i "$MOAT_DIR/relay/public.mdb")
  moat-relayctl allow 192.0.2.7 --for 30m --via "$MOAT_DIR/run/relay"
  [ "$(stat -c %i "$MOAT_DIR/relay/public.mdb")" = "$before" ]
  moat-relayctl allow 192.0.2.7 --for 40m --via "$MOAT_DIR/run/relay"
  [ "$(stat -c %i "$MOAT_DIR/relay/public.mdb")" != "$before" ]
}

@test "who may not call gets no window" {
  start_door --from daemon
  run -111 moat-relayctl allow 192.0.2.7 --for 30m --via "$MOAT_DIR/run/relay"
  [ "$(told 192.0.2.7)" = "unset|unset" ]
}

@test "the door refuses what is no request" {
  start_door
  run -0 python3 - "$MOAT_DIR/run/relay" <<'PYTHON'
import socket, sys
for packet in (b"x", b"192.0.2.1", b"192.0.2.1 0", b"192.0.2.1 -5", b"192.0.2.1 5 6",
               b"192.0.2.0/24 60", b"mx.example 60", b"192.0.2.1 60\n", b"\0" * 100,
               b"192.0.2.1 99999999999999999999"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.connect(sys.argv[1])
        door.send(packet)
        assert door.recv(1000).startswith(b"100 "), packet
print("fine")
PYTHON
  [ "$output" = fine ]
  run -0 moat-relayctl check --ip 127.0.0.1 || [ "$status" = 1 ]
}

@test "a wrong call exits 100" {
  run -100 moat-relayctl
  [ "$output" = "moat-relayctl: fatal: no command" ]
  run -100 moat-relayctl forgive 192.0.2.1
  run -100 moat-relayctl allow
  run -100 moat-relayctl allow 192.0.2.1/24
  run -100 moat-relayctl list 1
  run -100 moat-relayctl remove 192.0.2.1 --for 1h
  run -100 moat-relayctl allow 192.0.2.1 --test 192.0.2.1
  run -100 moat-relayctl allow 192.0.2.1 --via "$MOAT_DIR/run/relay"
}
