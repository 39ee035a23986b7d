#!/usr/bin/env bats
# Not with the sanitizers: what is installed is the release build.
# make install and uninstall, and the users and folders they are told.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/..

setup() { dest=$BATS_TEST_TMPDIR/dest; }

# The programs are built; a tree without objects must not build them again.
make_here() { make -s -C "$root" -o all -o separate "$@" 3>&-; }

@test "make install puts programs, pages, services and units in place" {
  run -0 make_here install DESTDIR="$dest"
  [ -z "$output" ]
  run -0 "$dest/usr/local/bin/moat" --version
  for main in "$root"/cmd/*/main.cc; do
    name=$(basename "$(dirname "$main")")
    [ "$(readlink "$dest/usr/local/bin/moat-$name")" = moat ]
    run -0 "$dest/usr/local/bin/moat-$name" --version
  done
  cmp "$root/man/moat.7" "$dest/usr/local/share/man/man7/moat.7"
  for service in smtpd queue send local remote keep relay; do
    # What is installed where it was written for is what stands in the tree.
    diff -r "$root/svscan/$service" "$dest/etc/moat/svscan/$service"
    [ -x "$dest/etc/moat/svscan/$service/run" ]
    [ -x "$dest/etc/moat/svscan/$service/log/run" ]
    grep -q "/etc/moat/svscan/$service/run" \
      "$dest/usr/local/lib/systemd/system/moat-$service.service"
  done
  [ -e "$dest/etc/moat/svscan/relay/down" ]
  [ -z "$(find "$dest" -type f -perm /022)" ]
}

@test "SEPARATE=yes installs an executable a program" {
  make_here install DESTDIR="$dest" SEPARATE=yes
  for main in "$root"/cmd/*/main.cc; do
    name=$(basename "$(dirname "$main")")
    [ ! -L "$dest/usr/local/bin/moat-$name" ]
    run -0 "$dest/usr/local/bin/moat-$name" --version
  done
  [ ! -e "$dest/usr/local/bin/moat" ]
  make_here uninstall DESTDIR="$dest"
  [ ! -e "$dest" ]
}

@test "make uninstall leaves nothing" {
  make_here install DESTDIR="$dest"
  run -0 make_here uninstall DESTDIR="$dest"
  [ -z "$output" ]
  [ ! -e "$dest" ]
}

@test "what the administrator changed is kept, and left" {
  make_here install DESTDIR="$dest"
  run=$dest/etc/moat/svscan/smtpd/run
  echo '# mine' >>"$run"
  echo 99M >"$dest/etc/moat/svscan/smtpd/env/MOAT_SMTPD_MAX_SIZE"
  run -0 make_here install DESTDIR="$dest"
  [[ $output == *"kept $run; the new one is $run.new"* ]]
  [ "$(tail -n 1 "$run")" = '# mine' ]
  cmp "$root/svscan/smtpd/run" "$run.new"
  run -0 make_here uninstall DESTDIR="$dest"
  [[ $output == *"left $run, which was changed"* ]]
  run -0 sh -c "cd '$dest' && find . -type f | sort"
  [ "$output" = "./etc/moat/svscan/smtpd/env/MOAT_SMTPD_MAX_SIZE
./etc/moat/svscan/smtpd/run" ]
}

@test "folders and users are those of the command line" {
  folders=(PREFIX=/opt/m ETCDIR=/opt/m/etc RUNDIR=/opt/m/run LOGDIR=/opt/m/log
    SPOOLDIR=/opt/m/spool STATEDIR=/opt/m/state VMAILDIR=/opt/m/mail
    MOAT=gate MOATQ=mailq MOATMAIL=vmail MOATREMOTE=mailout MOATLOG=maillog)
  make_here install DESTDIR="$dest" "${folders[@]}"
  run -0 "$dest/opt/m/bin/moat" --version
  services=$dest/opt/m/etc/svscan
  grep -q '^PATH=/opt/m/bin:' "$services/queue/run"
  grep -q -- '--reuid=mailq --regid=mailq' "$services/queue/run"
  grep -q -- '--serve /opt/m/run/queue' "$services/queue/run"
  grep -q -- '--from gate,moatscan' "$services/queue/run"
  grep -q -- '--user gate$' "$services/smtpd/run"
  grep -q -- '--reuid=vmail' "$services/local/run"
  grep -q -- '-o maillog -g maillog' "$services/keep/log/run"
  for place in ETC=etc DIR=state SPOOL=spool RUN=run MAIL=mail; do
    [ "$(cat "$dest/opt/m/etc/env/MOAT_${place%=*}")" = "/opt/m/${place#*=}" ]
  done
  # No default is left over.
  run grep -rnE '/etc/moat|/run/moat|/var/|/usr/local|moat(q|mail|remote|log)\b' \
    "$services" "$dest/opt/m/lib"
  echo "$output"
  [ "$status" = 1 ]
  make_here uninstall DESTDIR="$dest" "${folders[@]}"
  [ ! -e "$dest" ]
}
