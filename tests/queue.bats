#!/usr/bin/env bats
# moat-queue(8): the qmail-queue interface, and the door before it.

bats_require_minimum_version 1.5.0

setup() {
  # shellcheck disable=SC2046
  unset ERROR_FD MOAT_DEADLINE MOAT_SPOOL $(compgen -v TCP) $(compgen -v SMTPAUTH)
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
  spool=$MOAT_DIR/spool
  door=$BATS_TEST_TMPDIR/door
  message=$BATS_TEST_TMPDIR/message
  envelope=$BATS_TEST_TMPDIR/envelope
  printf 'Subject: test\n\nhello\n' >"$message"
  printf 'Fa@b.example\0Tc@d.example\0Te@f.example\0\0' >"$envelope"
  servers=()
}

teardown() {
  for server in "${servers[@]}"; do
    kill -CONT "$server" 2>/dev/null && kill "$server" && wait "$server"
  done || :
}

# Waits for a line of a log.
await() { # PATTERN [LOG]
  grep -qm1 -- "$1" < <(exec timeout 20 tail -n +1 -f "${2-$BATS_TEST_TMPDIR/log}" 3>&-)
}

# Starts moat-queue at the door.
serve() {
  : >"$BATS_TEST_TMPDIR/log"
  moat-queue --serve "$door" "$@" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  servers+=($!)
  await event=serving
}

# Runs it with message and envelope of the test's: run(1) has its own on 1.
queue() {
  moat-queue "$@" <"$message" 1<"$envelope"
}

# Runs a command with an error pipe on these descriptors, and prints what comes.
with_pipe_on() { # FDS COMMAND ...
  python3 -c '
import os, subprocess, sys
end, far = os.pipe()
numbers = [int(n) for n in sys.argv[1].split(",")]
def move():
    for n in numbers:
        os.set_inheritable(far, True)
        if n != far: os.dup2(far, n)
child = subprocess.Popen(sys.argv[2:], preexec_fn=move, close_fds=False)
os.close(far)
code = child.wait()
print("text:", os.read(end, 300).decode())
sys.exit(code)' "$@"
}

messages() {
  moat-queuectl stats | sed -n 's/^messages=//p'
}

# Fails unless the queue and its folder hold nothing.
is_empty() {
  [ "$(messages)" = 0 ] && [ -z "$(ls -A "$spool/mess")" ]
}

@test "a message is queued, as it is" {
  run -0 --separate-stderr queue
  # shellcheck disable=SC2154
  [[ $stderr =~ ^"moat-queue: event=queued id="([0-9A-Za-z]{9})" bytes=21 recipients=2 sender=a@b.example"$ ]]
  moat-queuectl show "${BASH_REMATCH[1]}" | sed '1,/^$/d' | cmp - "$message"
  run -0 moat-queuectl list
  [[ ${lines[0]} == *" 21 <a@b.example>" ]]
  [[ ${lines[1]} == "  pending <c@d.example> next="* ]]
  [[ ${lines[2]} == "  pending <e@f.example> next="* ]]
}

@test "message and envelope may be pipes, and hold any octet" {
  head -c 300000 /dev/urandom >"$message"
  printf 'Fa\001\377b\0Tc d\n@x\0\0' >"$envelope"
  run -0 --separate-stderr bash -c 'cat "$1" | moat-queue 1< <(cat "$2")' - "$message" "$envelope"
  [[ $stderr == *'sender="a\x01\xffb"'* ]]
  id=$(moat-queuectl list | head -n 1 | cut -d' ' -f1)
  moat-queuectl show "$id" | tail -c 300000 | cmp - "$message"
}

@test "the session's variables go along" {
  TCPREMOTEIP=192.0.2.1 MOAT_SESSION=abc MOAT_HELO=mx SMTPAUTHUSER=u SECRET=s run -0 queue
  [[ $output == "moat-queue: session=abc ip=192.0.2.1 event=queued "* ]]
  run -0 moat-queuectl show "$(moat-queuectl list | head -n 1 | cut -d' ' -f1)"
  [[ $output == *$'\nTCPREMOTEIP=192.0.2.1\n'* && $output == *$'\nMOAT_HELO=mx\n'* ]]
  [[ $output != *SECRET* ]]
}

@test "an envelope cut short at any octet is 91" {
  cp "$envelope" "$envelope.whole"
  size=$(stat -c %s "$envelope")
  for ((cut = 0; cut < size; ++cut)); do
    head -c "$cut" "$envelope.whole" >"$envelope"
    run -91 queue
  done
  is_empty
}

@test "no envelope, a wrong one, or none to read is 91" {
  run -91 sh -c 'moat-queue <"$1" 1>&-' - "$message"
  run -91 sh -c 'moat-queue <"$1" >/dev/null' - "$message"
  printf 'X\0Ta\0\0' >"$envelope"
  run -91 queue
  printf 'Fa\0Xb\0\0' >"$envelope"
  run -91 queue
  printf 'Fa\0\0' >"$envelope"
  run -91 queue
  is_empty
}

@test "an address is at most 1000 octets long" {
  long=$(printf '%01000d' 0)
  printf 'F%s\0T%s\0\0' "$long" "$long" >"$envelope"
  run -0 queue
  printf 'F%s\0T%s\0\0' "$long" "x$long" >"$envelope"
  run -11 queue
  printf 'F%s\0Ta\0\0' "x$long" >"$envelope"
  run -11 queue
  [ "$(messages)" = 1 ]
}

@test "too many recipients are 31" {
  run -31 queue --max-recipients 1
  run -0 queue --max-recipients 2
}

@test "a message that cannot be read is 54" {
  run -54 sh -c 'moat-queue 1<"$1" <&-' - "$envelope"
  run -54 sh -c 'moat-queue 1<"$1" </' - "$envelope"
  is_empty
}

@test "too large a message gets a text where there is a place for it" {
  run -31 queue --max-size 20
  [ -z "$output" ]
  for fds in 4 4,6; do
    run -82 with_pipe_on "$fds" sh -c 'exec moat-queue --max-size 20 <"$0" 1<"$1"' "$message" "$envelope"
    [ "$output" = "text: D5.3.4 message too large" ]
  done
  run -82 with_pipe_on 6 sh -c 'exec moat-queue --max-size 20 <"$0" 1<"$1"' "$message" "$envelope"
  [ "$output" = "text: D5.3.4 message too large" ]
  ERROR_FD=5 run -88 with_pipe_on 5 sh -c 'exec moat-queue --max-size 20 <"$0" 1<"$1"' "$message" "$envelope"
  [ "$output" = "text: D5.3.4 message too large" ]
  ERROR_FD=-1 run -82 with_pipe_on 4 sh -c 'exec moat-queue --max-size 20 <"$0" 1<"$1"' "$message" "$envelope"
  ERROR_FD=9 run -31 sh -c 'exec moat-queue --max-size 20 <"$0" 1<"$1" 9>"$0.x"' "$message" "$envelope"
  [ ! -s "$message.x" ]
  is_empty
}

@test "after the deadline nothing becomes visible: 52" {
  MOAT_DEADLINE=1 run -52 queue
  MOAT_DEADLINE=$(awk '{ print int($1 * 1000) + 300 }' /proc/uptime) \
    run -52 bash -c 'moat-queue < <(exec sleep 20) 1<"$1"' - "$envelope"
  is_empty
  MOAT_DEADLINE=$(awk '{ print int($1 * 1000) + 60000 }' /proc/uptime) run -0 queue
}

@test "a queue that is not there is 61, and none is made" {
  export MOAT_SPOOL=$BATS_TEST_TMPDIR/nowhere
  run -61 queue
  [ ! -e "$MOAT_SPOOL" ]
}

@test "a damaged queue is 62" {
  head -c 4096 /dev/urandom >"$spool/queue.mdb"
  run -62 queue
  [[ $output == *event=refused*code=62* ]]
}

@test "a queue that may not be opened is 64" {
  [ "$(id -u)" != 0 ] || skip "root may"
  chmod 0 "$spool/trigger"
  run -64 queue
}

@test "a writer that stopped is 52, and not for long" {
  : >"$BATS_TEST_TMPDIR/locked"
  python3 -c '
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
print("locked", flush=True)
time.sleep(60)' "$spool/queue.mdb.writer" >>"$BATS_TEST_TMPDIR/locked" 3>&- &
  servers+=($!)
  await locked "$BATS_TEST_TMPDIR/locked"
  run -52 queue --write-wait 100ms
  is_empty
}

@test "a full map is 53 and leaves nothing" {
  head -c 60000 /dev/zero >"$message"
  for turn in {1..40}; do
    queue --max-queue 1M --inline 64k 2>/dev/null || break
  done
  [ "$turn" -lt 40 ]
  before=$(messages)
  run -53 queue --max-queue 1M
  [ "$(messages)" = "$before" ]
  run -0 moat-queuectl check
}

@test "a file that cannot grow is 53 and leaves nothing" {
  head -c 300000 /dev/zero >"$message"
  run -53 bash -c 'trap "" XFSZ; ulimit -f 200; exec moat-queue <"$0" 1<"$1"' "$message" "$envelope"
  run -53 bash -c 'trap "" XFSZ; ulimit -f 200; cat "$0" | moat-queue 1<"$1"' "$message" "$envelope"
  is_empty
  run -0 moat-queuectl check
}

@test "a full disk, and one without inodes, is 53 and leaves nothing" {
  [ "$(id -u)" = 0 ] || skip "needs root to mount"
  mkdir "$BATS_TEST_TMPDIR/disk"
  for option in size=1m nr_inodes=12; do
    mount -t tmpfs -o "$option" none "$BATS_TEST_TMPDIR/disk" || skip "cannot mount"
    export MOAT_DIR=$BATS_TEST_TMPDIR/disk
    mkdir "$MOAT_DIR/spool" "$MOAT_DIR/spool/mess"
    cp -r "$BATS_TEST_TMPDIR/gate/spool/." "$MOAT_DIR/spool"
    head -c 300000 /dev/zero >"$message"
    for _ in {1..12}; do
      run queue
      [ "$status" = 0 ] || break
    done
    [ "$status" = 53 ]
    before=$(messages)
    [ "$(find "$MOAT_DIR/spool/mess" -type f | wc -l)" = "$before" ]
    run -0 moat-queuectl check
    umount "$BATS_TEST_TMPDIR/disk"
  done
}

@test "through the door: inline, large, from a file and from a pipe" {
  serve
  run -0 queue --via "$door"
  run -0 queue --via "unix:$door"
  head -c 400000 /dev/urandom >"$message"
  run -0 queue --via "$door"
  run -0 bash -c 'cat "$1" | moat-queue --via "$3" 1< <(cat "$2")' - "$message" "$envelope" "$door"
  [ "$(messages)" = 4 ]
  for id in $(moat-queuectl list | sed -n 's/^\(.\{9\}\) .* 400000 .*/\1/p'); do
    moat-queuectl show "$id" | tail -c 400000 | cmp - "$message"
  done
  run -0 moat-queuectl check
  grep -q 'event=queued id=.* bytes=400000 recipients=2' "$BATS_TEST_TMPDIR/log"
}

@test "through the door come the same codes" {
  serve --max-recipients 2 --max-size 1000
  good=$envelope
  envelope=$good.half
  printf 'Fa\0Tb' >"$envelope"
  run -91 queue --via "$door"
  envelope=$good.many
  printf 'Fa\0Tb\0Tc\0Td\0\0' >"$envelope"
  run -31 queue --via "$door"
  envelope=$good
  message=$message.large
  head -c 2000 /dev/zero >"$message"
  run -82 with_pipe_on 4 sh -c 'moat-queue --via "$0" <"$1" 1<"$2"' "$door" "$message" "$envelope"
  [ "$output" = "text: D5.3.4 message too large" ]
  run -31 queue --via "$door"
  message=${message%.large}
  MOAT_DEADLINE=1 run -52 queue --via "$door"
  run -56 queue --via "$BATS_TEST_TMPDIR/nobody"
  is_empty
}

@test "who may not call is hung up on" {
  serve --from 12345
  run -81 queue --via "$door"
  await 'event=denied uid='
  is_empty
}

@test "requests that no honest caller sends" {
  serve --max-size 10M
  call() { "$BATS_TEST_DIRNAME/queue_door.py" "$door" "$1"; }
  [ "$(call inline)" = 0 ]
  [ "$(call files)" = 0 ]
  for what in empty garbage version path no-files one-file stray-file giant-number; do
    run -0 call "$what"
    [ "$output" = 81 ]
  done
  for what in three-files nine-files; do
    run -0 call "$what"
    [ "$output" = "hung up" ]
  done
  for what in no-envelope half-envelope trailing-envelope; do
    run -0 call "$what"
    [ "$output" = 91 ]
  done
  for what in told-more told-less pipe envelope-pipe socket folder zero o-path write-only; do
    run -0 call "$what"
    [ "$output" = 54 ]
  done
  run -0 call giant
  [ "$output" = "82 D5.3.4 message too large" ]
  run -0 call giant-envelope
  [ "$output" = 81 ]
  [ "$(call sparse)" = 0 ]
  run -0 call shrink
  [ "$output" = 0 ] || [ "$output" = 54 ]
  run -0 call inline
  [ "$output" = 0 ]
  run -0 moat-queuectl check
}

@test "one who connects and says nothing holds up nobody, and not for ever" {
  serve --request-timeout 2s --max-callers 3
  for _ in 1 2 3 4 5; do
    "$BATS_TEST_DIRNAME/queue_door.py" "$door" stall >>"$BATS_TEST_TMPDIR/stalled" 3>&- &
    stallers+=($!)
  done
  run -0 queue --via "$door"
  wait "${stallers[@]}"
  [ "$(grep -c 'hung up' "$BATS_TEST_TMPDIR/stalled")" = 5 ]
  [ "$(grep -c event=silent "$BATS_TEST_TMPDIR/log")" = 5 ]
  run -0 queue --via "$door"
}

@test "a hundred at a time share syncs, and none is lost" {
  serve
  export door message envelope
  seq 100 | xargs -P 20 -I{} sh -c 'moat-queue --via "$door" <"$message" 1<"$envelope"'
  [ "$(messages)" = 100 ]
  [ "$(grep -c event=queued "$BATS_TEST_TMPDIR/log")" = 100 ]
}

@test "TERM ends it once it has answered who has asked" {
  serve sh -c 'cat >"$0"; sleep 0.5; exit 0' "$BATS_TEST_TMPDIR/seen"
  queue --via "$door" 3>&- &
  caller=$!
  until [ -s "$BATS_TEST_TMPDIR/seen" ]; do sleep 0.05; done
  kill "${servers[0]}"
  wait "$caller"
  wait "${servers[0]}"
  servers=()
  [ ! -e "$door" ]
}

@test "a server that was killed leaves a door that the next one takes" {
  serve
  kill -KILL "${servers[0]}"
  wait "${servers[0]}" || :
  servers=()
  [ -S "$door" ]
  serve
  run -0 queue --via "$door"
  [ "$(messages)" = 1 ]
}

@test "a second server at the same door is refused" {
  serve
  run -111 moat-queue --serve "$door"
  [[ $output == *"bind $door: Address already in use" ]]
}

@test "filters behind the door get message, envelope and the list's variables" {
  export SECRET=x TCPREMOTEIP=10.0.0.1 RELAYCLIENT=
  serve sh -c 'cat >"$0.m"; cat <&1 >"$0.e"; env >"$0.v"; exit 0' "$BATS_TEST_TMPDIR/seen"
  unset TCPREMOTEIP RELAYCLIENT
  MOAT_HELO=mx run -0 queue --via "$door"
  cmp "$BATS_TEST_TMPDIR/seen.m" "$message"
  cmp "$BATS_TEST_TMPDIR/seen.e" "$envelope"
  grep -qx MOAT_HELO=mx "$BATS_TEST_TMPDIR/seen.v"
  grep -qx ERROR_FD=4 "$BATS_TEST_TMPDIR/seen.v"
  grep -q '^MOAT_DEADLINE=' "$BATS_TEST_TMPDIR/seen.v"
  run -1 grep -E '^(TCPREMOTEIP|RELAYCLIENT)=' "$BATS_TEST_TMPDIR/seen.v"
}

@test "a filter's code and text come back, and the queue's through it" {
  serve sh -c 'exec 5<&1; cat >/dev/null; exit "$(tail -n 1 <&5 | tr -cd 0-9)"'
  for code in 0 11 31 51 53 54 71 81 91 120 5; do
    printf 'Fa\0T%s\0\0' "$code" >"$envelope"
    run "-$code" queue --via "$door"
  done
  grep -q 'event=refused code=31 reason=filter' "$BATS_TEST_TMPDIR/log"
}

@test "a filter's text comes back" {
  serve sh -c 'printf "Z4.7.1 not yet\nforged" >&4; exit 88'
  run -82 with_pipe_on 6 sh -c 'moat-queue --via "$0" <"$1" 1<"$2"' "$door" "$message" "$envelope"
  [ "$output" = "text: Z4.7.1 not yet?forged" ]
  run -71 queue --via "$door"
}

@test "a filter that dies, hangs or holds the error pipe open" {
  serve --timeout 1s sh -c 'exec 5<&1; case $(tail -n 1 <&5) in
    *die*) kill -9 $$ ;;
    *hang*) sleep 60 & echo $! >"$0"; wait ;;
    *hold*) sleep 3 & exit 0 ;;
    *flood*) yes >&4; exit 0 ;;
    *gone*) exec /nonexistent/program ;;
  esac' "$BATS_TEST_TMPDIR/pid"
  for word in die hang flood; do
    printf 'Fa\0T%s\0\0' "$word" >"$envelope"
    run -81 queue --via "$door"
  done
  # Dead, though perhaps not yet reaped by whoever reaps orphans here.
  [[ ! $(ps -o stat= -p "$(cat "$BATS_TEST_TMPDIR/pid")") =~ ^[^Z] ]]
  printf 'Fa\0Thold\0\0' >"$envelope"
  run -0 queue --via "$door"
}

@test "a filter that is not there is 120" {
  serve /nonexistent/program
  run -120 queue --via "$door"
}

@test "a filter chain before a real queue, by call and by exec" {
  serve
  inner=$door
  door=$BATS_TEST_TMPDIR/outer
  : >"$BATS_TEST_TMPDIR/outer.log"
  moat-queue --serve "$door" moat-queue --via "$inner" 2>"$BATS_TEST_TMPDIR/outer.log" 3>&- &
  servers+=($!)
  await event=serving "$BATS_TEST_TMPDIR/outer.log"
  run -0 queue --via "$door"
  printf 'Fa\0' >"$envelope"
  run -91 queue --via "$door"
  [ "$(messages)" = 1 ]
}

@test "a wrong call is 100 and says why" {
  run -100 moat-queue --via nowhere
  [ "$output" = 'moat-queue: fatal: no path of a socket: "nowhere"' ]
  run -100 moat-queue --via /a --serve /b
  run -100 moat-queue cat
  run -100 moat-queue --serve "$door" --from no-such-user
  run -100 moat-queue --serve "$door" moat-queue --no-such-option
}
