#!/usr/bin/env bats
# Not with the sanitizers: tests/gate.bats runs the services with them.
# The service directories run as they are under daemontools, runit and s6.

bats_require_minimum_version 1.5.0

load gate

services=(smtpd queue send local remote keep)

setup() {
  [ "$(id -u)" != 0 ] || skip "for an ordinary user: root would need all of a gate's users"
  gate=$BATS_TEST_TMPDIR/gate
  make -s -C "$root" -o all install PREFIX="$gate" ETCDIR="$gate/etc" STATEDIR="$gate" \
    SPOOLDIR="$gate/spool" RUNDIR="$gate/run" VMAILDIR="$gate/mail" LOGDIR="$gate/log" 3>&-
  echo mx.example.test >"$gate/etc/env/MOAT_ME"
  echo 127.0.0.1 >"$gate/etc/svscan/smtpd/env/MOAT_LISTEN"
  # Any free port will do; nobody has to find it.
  echo 0 >"$gate/etc/svscan/smtpd/env/MOAT_PORT"
  at_gate moat-statectl init --user-only
  echo ':allow' | at_gate moat-relayctl rules smtp
  mkdir -p "$gate/tools"
  for service in "${services[@]}" relay; do mkdir -p "$gate/log/$service"; done
  pid=
}

teardown() {
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || :
    pkill -s "$pid" || :
    wait "$pid" || :
  fi
}

# Lets the services find these tools and the system's, but no other supervisor's.
tools_of() { # FOLDER TOOL...
  local folder=$1 tool
  shift
  for tool in "$@"; do ln -s "$folder/$tool" "$gate/tools/"; done
  for tool in sh head id mkdir install cat setpriv; do
    ln -s "$(command -v "$tool")" "$gate/tools/"
  done
}

supervise() { # COMMAND...
  (cd "$gate" && exec setsid env -i PATH="$gate/tools" HOME="$gate" "$@" >"$gate/said" 2>&1 3>&-) &
  pid=$!
}

all_are_up() {
  for service in "${services[@]}"; do await "$gate/log/$service/current" event=serving; done
  # A log has the time in front, and "relay" is down.
  run -0 head -n 1 "$gate/log/queue/current"
  [[ $output != moat-queue:* && $output == *moat-queue:* ]]
  [ ! -s "$gate/log/relay/current" ]
  [ -n "$(processes_in "$gate/etc/svscan/queue")" ]
  [ -z "$(processes_in "$gate/etc/svscan/relay" | grep "$gate/bin")" ]
}

@test "under daemontools" {
  command -v svscan || skip "needs daemontools"
  tools_of "$(dirname "$(command -v svscan)")" svscan supervise multilog svc
  supervise svscan "$gate/etc/svscan"
  all_are_up
  kill "$pid"
  wait "$pid" || :
  svc -dx "$gate"/etc/svscan/*/ "$gate"/etc/svscan/*/log/
  for service in "$gate"/etc/svscan/*/; do
    flock --wait 30 "$service/supervise/lock" true
    flock --wait 30 "$service/log/supervise/lock" true
  done
  run processes_in "$gate"
  [ -z "$output" ]
}

@test "under runit" {
  folder=$("$root/scripts/peer" runit)/usr/bin || skip "needs Debian's package runit"
  tools_of "$folder" runsvdir runsv svlogd
  supervise runsvdir "$gate/etc/svscan"
  all_are_up
  # HUP tells runsvdir to send each runsv TERM, and end; runsv ends the rest.
  kill -HUP "$pid"
  wait "$pid" || :
  for service in "$gate"/etc/svscan/*/; do
    flock --wait 30 "$service/supervise/lock" true
    flock --wait 30 "$service/log/supervise/lock" true
  done
  run processes_in "$gate"
  [ -z "$output" ]
}

# Debian's s6-svscan runs /usr/bin/s6-supervise, which is not installed here; so
# the pairs that it would start are started one by one.
@test "under s6" {
  folder=$("$root/scripts/peer" s6) || skip "needs Debian's package s6"
  tools_of "$folder/usr/bin" s6-supervise s6-log
  libraries=$(dirname "$(find "$folder" -name 'libs6.so*' -print -quit)")
  supervise LD_LIBRARY_PATH="$libraries" sh -c 'for s in etc/svscan/*; do
      s6-supervise "$s" | s6-supervise "$s/log" &
    done
    wait'
  all_are_up
  for service in "$gate"/etc/svscan/*; do
    for part in "$service" "$service/log"; do
      LD_LIBRARY_PATH=$libraries "$folder/usr/bin/s6-svc" -dx "$part"
    done
  done
  wait "$pid"
  run processes_in "$gate"
  [ -z "$output" ]
}
