#!/usr/bin/env bats
# Not with the sanitizers: they keep signals and descriptors of their own.
# A chain means the same whether its programs are called or exec'd: argv,
# environment, descriptors, signal dispositions and exit code.

bats_require_minimum_version 1.5.0
load tcpd

setup_file() {
  export MOAT_DIR=$BATS_FILE_TMPDIR/gate
  export separate=${MOAT_SEPARATE:-$BATS_TEST_DIRNAME/../build/separate}
  moat-statectl init --user-only
  moat-relayctl allow 127.0.0.1
  moat-relayctl rules smtp <<<$'127.:allow,FOOD="a \'b\' c",MOAT_RELAYCTL_LOG="none"\n'
  if [ "$(id -u)" = 0 ]; then chown -R nobody "$MOAT_DIR" && chmod 755 "$BATS_FILE_TMPDIR"; fi
}

setup() {
  if [ ! -x "$separate/moat-tcpd" ] || [ ! -x "$separate/moat-relayctl" ]; then
    skip "needs make separate"
  fi
  fused=$(dirname "$(command -v moat)")
  chmod 755 "$BATS_TEST_TMPDIR"
}

teardown() {
  stop_server
}

# What a program at the end of a chain sees of itself.
cat_self='
printf "argv"; printf " <%s>" "$0" "$@"; echo
env | grep -vE "^(PWD|SHLVL|_|OLDPWD|TCPSYN|TCPREMOTEPORT|TCPLOCALPORT|MOAT_SESSION|BATS.*|PATH)="
for fd in /proc/$$/fd/*; do
  case $(readlink "$fd") in
  socket:*) echo "fd ${fd##*/} socket" ;;
  *log) echo "fd ${fd##*/} log" ;;
  *) echo "fd ${fd##*/} other" ;;
  esac
done
# Of a child: bash itself blocks some while it forks.
grep -E "^(SigBlk|SigIgn|SigCgt|NoNewPrivs|Seccomp):" /proc/self/status
umask; ulimit -a; cat /proc/$$/timerslack_ns; echo "itimer $(cut -d " " -f 21 /proc/$$/stat)"
exit 7'

# Prints what a client of tcpd in folder $1 hears of a chain whose relayctl is
# found in folder $2, and how the chain ended.
heard() { # TCPD-FOLDER PATH
  (
    cd "$BATS_TEST_TMPDIR" || exit
    rm -f port && : >log
    # An ignored signal, one that is not, and a descriptor must be handed down.
    trap '' USR1
    exec 8</dev/null
    env PATH="$2:/usr/bin:/bin" EXTRA="x y" "$1/moat-tcpd" "${user[@]}" --verbose \
      --port-on-stdout --rules smtp 127.0.0.1 0 moat-relayctl check "${between[@]}" \
      bash --norc -c "$cat_self" 'a word' '' '--help' >port 2>>log 3>&- &
    server=$!
    log=$PWD/log
    await_log 'status: 0/'
    port=$(<port)
    ask </dev/null | sort
    await_log 'event=end'
    grep -o 'status=.*' log
    kill "$server"
    wait "$server"
    echo "tcpd $?"
  )
}

@test "called, exec'd and mixed chains are the same to the program behind" {
  between=()
  heard "$fused" "$fused" >"$BATS_TEST_TMPDIR/called"
  heard "$separate" "$separate" >"$BATS_TEST_TMPDIR/apart"
  heard "$fused" "$separate" >"$BATS_TEST_TMPDIR/mixed1"
  heard "$separate" "$fused" >"$BATS_TEST_TMPDIR/mixed2"
  # relayctl called by tcpd, then exec'd by way of a foreign program.
  between=(env moat-relayctl check)
  heard "$fused" "$separate" >"$BATS_TEST_TMPDIR/mixed3"
  cat "$BATS_TEST_TMPDIR/called"
  grep -qx 'argv <a word> <> <--help>' "$BATS_TEST_TMPDIR/called"
  grep -qx "FOOD=a 'b' c" "$BATS_TEST_TMPDIR/called"
  grep -qx 'RELAYCLIENT=' "$BATS_TEST_TMPDIR/called"
  grep -qx 'EXTRA=x y' "$BATS_TEST_TMPDIR/called"
  grep -qx 'status=1792' "$BATS_TEST_TMPDIR/called" # exit 7
  grep -qx 'fd 0 socket' "$BATS_TEST_TMPDIR/called"
  grep -qx 'fd 8 other' "$BATS_TEST_TMPDIR/called"
  [[ $(grep -E '^SigIgn' "$BATS_TEST_TMPDIR/called") =~ [02468ace]...$ ]]
  for how in apart mixed1 mixed2 mixed3; do
    diff "$BATS_TEST_TMPDIR/called" "$BATS_TEST_TMPDIR/$how"
  done
}

@test "under a foreign server the programs are the same, too" {
  command -v tcpserver >/dev/null || skip "needs ucspi-tcp"
  for where in "$fused" "$separate"; do
    PROTO=TCP TCPREMOTEIP=127.0.0.1 run -7 env PATH="$where:/usr/bin:/bin" \
      moat-relayctl check sh -c 'echo "[${RELAYCLIENT-unset}]"; exit 7'
    [ "$output" = "[]" ]
    PROTO=TCP TCPREMOTEIP=127.0.0.1 run -111 env PATH="$where:/usr/bin:/bin" \
      moat-relayctl check ./no-such-program
    PROTO=TCP TCPREMOTEIP=nonsense run -100 env PATH="$where:/usr/bin:/bin" \
      moat-relayctl check true
  done
}

@test "mail is received the same way by a called and by an exec'd smtpd" {
  [ -x "$separate/moat-smtpd" ] || skip "needs moat-smtpd"
  for chain in "$fused $fused" "$fused $separate" "$separate $separate" "$separate $fused"; do
    read -r from path <<<"$chain"
    log=$BATS_TEST_TMPDIR/log
    : >"$log"
    env MOAT_ME=mx.example.test PATH="$path:/usr/bin:/bin" "$from/moat-tcpd" "${user[@]}" \
      --port-on-stdout 127.0.0.1 0 \
      moat-relayctl check moat-smtpd --max-size 1M --queue unix:/nonexistent \
      >"$BATS_TEST_TMPDIR/port" 2>"$log" 3>&- &
    server=$!
    await_log 'status: 0/'
    port=$(<"$BATS_TEST_TMPDIR/port")
    run -0 python3 - "$port" <<'PYTHON'
import smtplib, sys
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "me.example")
print(s.ehlo()[1].decode())
print(s.mail("a@b.example"), s.rcpt("c@elsewhere.example"), s.quit())
PYTHON
    echo "$output" >"$BATS_TEST_TMPDIR/now"
    [[ $output == *"SIZE 1048576"* ]]
    [ -e "$BATS_TEST_TMPDIR/first" ] || cp "$BATS_TEST_TMPDIR/now" "$BATS_TEST_TMPDIR/first"
    diff "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/now"
    stop_server
  done
}
