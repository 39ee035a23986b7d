# For tests that run a whole gate: scripts/run in the background.

root=$BATS_TEST_DIRNAME/..

# Waits for a line that matches a pattern of [[ ]] in a file that grows.
await() { # FILE PATTERN [SECONDS]
  local log line status=1
  exec {log}< <(exec tail -n +1 -F "$1" 2>/dev/null 3>&-)
  local tail=$!
  while read -r -t "${3:-60}" -u "$log" line; do
    # shellcheck disable=SC2053 # it is a pattern
    if [[ $line == *$2* ]]; then status=0 && break; fi
  done
  kill "$tail"
  exec {log}<&-
  [ "$status" = 0 ] || { echo "never came in $1: $2" && tail -n 20 "$1"; }
  return "$status"
}

# Starts a gate and sets $runner (process), $gate (folder), $port, $session.
start_gate() { # FILE that takes what it says
  # A shell without job control starts its children deaf to INT.
  env --default-signal=INT "$root/scripts/run" >"$1" 2>&1 3>&- &
  runner=$!
  await "$1" 'Ctrl-C stops it and removes' 90 || { cat "$1" && return 1; }
  gate=$(sed -n 's/^Ctrl-C stops it and removes \(.*\)\.$/\1/p' "$1")
  port=$(sed -n 's/^The gate stands at 127\.0\.0\.1 port \([0-9]*\),.*/\1/p' "$1")
  session=$(pgrep -P "$runner" -x svscan)
}

# Runs a program of the gate as the user whose gate it is.
at_gate() {
  local as=()
  if [ "$(id -u)" = 0 ]; then as=(runuser -u "$(stat -c %U "$gate")" --); fi
  (cd "$gate" && "${as[@]}" env MOAT_DIR="$gate" PATH="$gate/bin:$PATH" "$@")
}

# Prints the processes that run in a folder or from it.
processes_in() { # FOLDER
  find /proc/[0-9]*/cwd /proc/[0-9]*/exe -maxdepth 0 -lname "$1*" -printf '%p %l\n' 2>/dev/null || :
}

# Prints the messages of a mailbox.
messages() { find "$gate/mail/example.test/$1/new" -type f; }

# Sends a message whose subject is SUBJECT, so that the log tells it from others.
send_mail() { # RECIPIENT SUBJECT [swaks options]
  local to=$1 subject=$2
  shift 2
  swaks --server "127.0.0.1:$port" --from "$subject@example.org" --to "$to" \
    --header "Subject: $subject" "$@"
}
