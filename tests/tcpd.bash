# For tests with moat-tcpd in front of something.

# Starts moat-tcpd on a port that the system picks; sets $server and $port, and
# sends its log to $log.
serve() { # OPTION ... -- PROGRAM ARG ...
  local options=()
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  log=$BATS_TEST_TMPDIR/log
  mkfifo "$BATS_TEST_TMPDIR/port.$BASHPID.$RANDOM" 2>/dev/null || :
  local said=("$BATS_TEST_TMPDIR"/port.*)
  moat-tcpd "${user[@]}" --port-on-stdout "${options[@]}" "${at[@]}" "$@" \
    >"${said[0]}" 2>"$log" 3>&- &
  server=$!
  read -r -t 20 port <"${said[0]}" || { cat "$log" && return 1; }
  rm -f "${said[0]}"
}

# Root must say whom to become.
user=()
if [ "$(id -u)" = 0 ]; then
  user=(--user nobody)
  chmod o+x "$BATS_RUN_TMPDIR" # or nobody would not find his gate
fi
at=(127.0.0.1 0)

stop_server() {
  if [ -n "${server:-}" ]; then
    kill "$server" 2>/dev/null || :
    wait "$server" 2>/dev/null || :
  fi
  server=
}

# Connects, sends standard input, prints what comes.
ask() { # [socat address]
  socat -t 10 - "${1:-TCP4:127.0.0.1:$port}" 2>/dev/null
}

# Waits until the log holds a pattern, at most 20 seconds.
await_log() { # REGEX [COUNT]
  local i
  for ((i = 0; i < 400; i++)); do
    if [ "$(grep -cE -- "$1" "$log")" -ge "${2:-1}" ]; then return 0; fi
    read -r -t 0.05 <> <(:) || :
  done
  echo "never logged: $1" && cat "$log"
  return 1
}
