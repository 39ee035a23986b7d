#!/usr/bin/env bats
# moat-tcpd: who gets in, and what his session is told.

bats_require_minimum_version 1.5.0
load tcpd

setup() {
  unset MOAT_DIR MOAT_ME MOAT_TEST_DATA
  chmod 755 "$BATS_TEST_TMPDIR"
}

teardown() {
  stop_server
  if [ -n "${other:-}" ]; then kill "$other" 2>/dev/null || :; fi
}

# A gate with access rules named smtp.
rules() {
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  [ -d "$MOAT_DIR/control" ] || moat-statectl init --user-only
  moat-relayctl rules smtp
}

print_session='env | grep -E "^(PROTO|TCP|SSL|UNIX|RELAY|RBLS|ERROR_FD|MOAT_|SMTPAUTH)" | sort'

@test "a session gets the variables of a UCSPI server" {
  TCPREMOTEHOST=forged RELAYCLIENT='' SSL_CIPHER=x MOAT_VERDICT=x ERROR_FD=4 \
    SMTPAUTHUSER=x MOAT_HANDOVER=3 MOAT_ME=mx.example.test serve -- sh -c "$print_session"
  run -0 ask
  [[ ${lines[0]} == MOAT_ME=mx.example.test ]]
  [[ ${lines[1]} =~ ^MOAT_SESSION=[0-9a-f]{12}$ ]]
  [ "${lines[2]}" = PROTO=TCP ]
  [ "${lines[3]}" = TCPCONNNUM=1 ]
  [ "${lines[4]}" = TCPLOCALHOST=mx.example.test ]
  [ "${lines[5]}" = TCPLOCALIP=127.0.0.1 ]
  [ "${lines[6]}" = "TCPLOCALPORT=$port" ]
  [ "${lines[7]}" = TCPREMOTEIP=127.0.0.1 ]
  [[ ${lines[8]} =~ ^TCPREMOTEPORT=[0-9]+$ ]]
  [[ ${lines[9]} =~ ^TCPSYN=45[0-9a-f]{78,}$ ]]
  [ "${#lines[@]}" = 10 ]
}

@test "HOST 0 serves both versions, and IPv4 is written as IPv4" {
  # shellcheck disable=SC2034 # serve wants it
  at=(0 0)
  serve -- sh -c 'echo "$PROTO $TCPREMOTEIP $TCPLOCALIP"'
  run -0 ask
  [ "$output" = "TCP 127.0.0.1 127.0.0.1" ]
  run -0 ask "TCP6:[::1]:$port"
  [ "$output" = "TCP ::1 ::1" ]
}

@test "without IPv6 in the kernel it serves IPv4 and says so" {
  command -v strace >/dev/null || skip "needs strace"
  strace -f -o /dev/null -e inject=bind:error=EADDRNOTAVAIL:when=1 true 2>/dev/null ||
    skip "strace may not trace here"
  log=$BATS_TEST_TMPDIR/log
  strace -D -o /dev/null -e trace=bind -e inject=bind:error=EADDRNOTAVAIL:when=1 \
    moat-tcpd "${user[@]}" --port-on-stdout 0 0 echo hello >"$BATS_TEST_TMPDIR/port" 2>"$log" 3>&- &
  server=$!
  await_log 'status: 0/200'
  port=$(<"$BATS_TEST_TMPDIR/port")
  grep -q 'moat-tcpd: event=fallback reason="no IPv6 in this kernel"' "$log"
  run -0 ask
  [ "$output" = hello ]
}

@test "a unix socket has no address" {
  path=$BATS_TEST_TMPDIR/socket
  log=$BATS_TEST_TMPDIR/log
  for _ in 1 2; do # the second replaces what the first left
    moat-tcpd "${user[@]}" "unix:$path" sh -c "$print_session" 2>"$log" 3>&- &
    server=$!
    await_log 'status: 0/'
    run -0 ask "UNIX-CONNECT:$path"
    [ "${lines[1]}" = PROTO=UNIX ]
    [ "${lines[2]}" = "UNIXLOCALPATH=$path" ]
    [ "${lines[3]}" = "UNIXREMOTEEGID=$(id -g)" ]
    [ "${lines[4]}" = "UNIXREMOTEEUID=$(id -u)" ]
    [[ $output != *TCP* ]]
    stop_server
  done
}

@test "over a limit a client is told why, and no process starts" {
  serve --limit 2 --per-ip 100 -- cat
  exec 7<>"/dev/tcp/127.0.0.1/$port" 8<>"/dev/tcp/127.0.0.1/$port"
  echo one >&7 && read -r -u 7 line && [ "$line" = one ]
  echo two >&8 && read -r -u 8 line && [ "$line" = two ]
  run -0 ask </dev/null
  [ "$output" = $'421 4.7.0 too many connections, try again later\r' ]
  grep -q 'moat-tcpd: event=refuse ip=127.0.0.1 reason=limit' "$log"
  exec 7<&- 8<&-
}

@test "one network has its share, and gets it back" {
  serve --verbose --per-ip 1 -- cat
  exec 7<>"/dev/tcp/127.0.0.1/$port"
  echo one >&7 && read -r -u 7 line
  run -0 ask </dev/null
  [ "$output" = $'421 4.7.0 too many connections from your network\r' ]
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.2" <<<another
  [ "$output" = another ]
  exec 7<&-
  await_log 'tcpserver: status: 0/200' 2
  run -0 ask <<<again
  [ "$output" = again ]
}

@test "the rate is bounded, and --busy says it otherwise" {
  serve --rate 2/1h --busy 'busy: come back later' -- echo hello
  run -0 ask && [ "$output" = hello ]
  run -0 ask && [ "$output" = hello ]
  run -0 ask </dev/null
  [ "$output" = $'busy: come back later\r' ]
  grep -q 'event=refuse ip=127.0.0.1 reason=rate' "$log"
}

@test "access rules admit, deny, set variables, and are live" {
  rules <<<$'127.0.0.1:allow,RELAYCLIENT="",FOOD="pasta"\n127.0.0.2:deny\n'
  serve --rules smtp -- sh -c 'echo "[${RELAYCLIENT-unset}] [${FOOD-unset}]"'
  run -0 ask && [ "$output" = "[] [pasta]" ]
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.3" && [ "$output" = "[unset] [unset]" ]
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.2" && [ "$output" = "" ]
  grep -q 'event=refuse ip=127.0.0.2 reason=rules' "$log"
  rules <<<$'127.:allow,FOOD="soup"\n'
  run -0 ask && [ "$output" = "[unset] [soup]" ]
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.2" && [ "$output" = "[unset] [soup]" ]
}

@test "rules that cannot be read admit nobody" {
  rules <<<':allow'
  serve --rules smtp -- echo hello
  run -0 ask && [ "$output" = hello ]
  echo garbage >"$MOAT_DIR/control/new" && mv "$MOAT_DIR/control/new" "$MOAT_DIR/control/public.mdb"
  run -0 ask && [ "$output" = $'421 4.3.0 trouble here, try again later\r' ]
  grep -q 'event=rules error=' "$log"
  rm "$MOAT_DIR/control/public.mdb"
  run -0 ask && [ "$output" = $'421 4.3.0 trouble here, try again later\r' ]
}

@test "missing rules and rules for names are found at start" {
  rules <<<'=.example:deny'
  run -100 moat-tcpd "${user[@]}" --rules smtp 127.0.0.1 0 true
  [ "$output" = "moat-tcpd: fatal: access rules smtp are for names: moat-rdns has those" ]
  run -100 moat-tcpd "${user[@]}" --rules none 127.0.0.1 0 true
  [ "$output" = "moat-tcpd: fatal: no access rules are named none" ]
  MOAT_DIR=/nonexistent run -111 moat-tcpd "${user[@]}" --rules smtp 127.0.0.1 0 true
}

@test "an option that a rule sets holds for that client, a wrong one is 421" {
  rules <<<$'127.0.0.2:allow,MOAT_RELAYCTL_VERBOSE="perhaps"\n127.0.0.3:allow,MOAT_RELAYCTL_LOG="none"\n'
  serve --rules smtp -- moat-relayctl check echo hello
  run -0 ask && [ "$output" = hello ]
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.2"
  [ "$output" = $'421 4.3.5 server configuration error\r' ]
  grep -q 'reason=config error="moat-relayctl: MOAT_RELAYCTL_VERBOSE takes 1, yes, 0, no or nothing' "$log"
  run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.3" && [ "$output" = hello ]
}

@test "a mistake in the chain stops it at start" {
  run -100 moat-tcpd "${user[@]}" 127.0.0.1 0 moat-relayctl check --no-such-option true
  [[ $output == "moat-tcpd: fatal: moat-relayctl: "* ]]
  run -111 moat-tcpd "${user[@]}" 127.0.0.1 0 moat-relayctl check ./no-such-program
  [ "$output" = "moat-tcpd: fatal: cannot run ./no-such-program: No such file or directory" ]
}

@test "a wrong call exits 100, a port in use 111" {
  run -100 moat-tcpd 127.0.0.1 0
  [ "$output" = "moat-tcpd: fatal: no program to run" ]
  run -100 moat-tcpd mx.example 25 true
  run -100 moat-tcpd 0 66666 true
  run -100 moat-tcpd --limit 0 0 0 true
  run -100 moat-tcpd --proxy-from 10.0.0.1/8 0 0 true
  run -100 moat-tcpd "${user[@]}" fd:2 true
  run -100 moat-tcpd --spawner 7 stderr true
  serve -- cat
  run -111 moat-tcpd "${user[@]}" 127.0.0.1 "$port" cat
  [ "$output" = "moat-tcpd: fatal: cannot listen at 127.0.0.1 port $port: Address already in use" ]
}

@test "root must name a user, and is gone for good" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  run -100 moat-tcpd 127.0.0.1 0 id -u
  [ "$output" = "moat-tcpd: fatal: root must name whom to become: --user USER" ]
  serve -- sh -c 'id -u; id -G; grep ^CapEff /proc/self/status'
  run -0 ask
  [ "${lines[0]}" = "$(id -u nobody)" ]
  [ "${lines[1]}" = "$(id -G nobody)" ]
  [[ ${lines[2]} == *0000000000000000 ]]
}

@test "a child that dies by a fault is logged, and its network waits" {
  serve --fault-wait 1h -- sh -c 'read -r word; if [ "$word" = die ]; then kill -SEGV $$; fi; echo "$PPID"'
  run -0 ask <<<live
  spawner=$output
  run -0 ask <<<die
  [ "$output" = "" ]
  await_log 'event=fault session=[0-9a-f]+ network=127.0.0.1 signal=11'
  run -0 ask <<<live
  [ "$output" = $'421 4.7.0 try again later\r' ]
  for ((i = 0; i < 100; i++)); do
    run -0 ask "TCP4:127.0.0.1:$port,bind=127.0.0.2" <<<live
    [ "$output" = "$spawner" ] || break
  done
  [ "$output" != "$spawner" ]
}

@test "the spawner is replaced, and old ones end" {
  serve --spawner-children 3 --rate 1000/1s -- sh -c 'echo "$PPID"'
  spawners=$(for ((i = 0; i < 40; i++)); do ask </dev/null; done | sort -u)
  [ "$(wc -l <<<"$spawners")" -ge 3 ]
  for ((i = 0; i < 100; i++)); do
    [ "$(pgrep -c -P "$server")" = 1 ] && break
    read -r -t 0.05 <> <(:) || :
  done
  [ "$(pgrep -c -P "$server")" = 1 ]
}

@test "a spawner that is killed is replaced, and nobody is lost" {
  serve -- echo hello
  kill -KILL "$(pgrep -P "$server")"
  await_log 'event=spawner error="ended unasked"'
  run -0 ask && [ "$output" = hello ]
}

@test "SIGTERM ends it at once while its children finish" {
  serve -- cat
  exec 7<>"/dev/tcp/127.0.0.1/$port"
  echo one >&7 && read -r -u 7 line
  kill "$server"
  wait "$server"
  server=
  run ! bash -c "exec 9<>/dev/tcp/127.0.0.1/$port"
  echo two >&7 && read -r -u 7 line
  [ "$line" = two ]
  exec 7<&-
}

@test "--grace has the chains end, and waits for them" {
  serve --grace 20s -- sh -c 'trap "echo bye; exit" TERM; echo ready; while :; do read -r -t 1 x; done' 
  exec 7<>"/dev/tcp/127.0.0.1/$port"
  read -r -u 7 line && [ "$line" = ready ]
  kill "$server"
  wait "$server"
  server=
  read -r -t 0 -u 7
  read -r -u 7 line && [ "$line" = bye ]
  exec 7<&-
}

@test "nobody is refused while it is restarted with an inherited socket" {
  [[ $(command -v moat-tcpd) != */asan/* ]] || skip "a start with the sanitizers takes too long"
  rules <<<':allow'
  run -0 python3 "$BATS_TEST_DIRNAME/tools/restarts.py" 10 100 moat-tcpd "${user[@]}" \
    --rules smtp --rate 100000/1s --per-ip 1000 --limit 1000 @FD@ echo hello
  [[ $output == *"refused 0"* ]]
}

@test "no descriptor of ours reaches the chain" {
  serve -- sh -c 'ls -l /proc/$$/fd | awk "NR > 1 { print \$9, \$11 }"'
  run -0 ask
  # The log, which bats may have open a second time, is not ours.
  [ "$(grep -c socket: <<<"$output")" = 2 ]
  [[ $output != *signalfd* && $output != *eventpoll* ]]
}
