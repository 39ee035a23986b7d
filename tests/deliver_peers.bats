#!/usr/bin/env bats
# Not with the sanitizers: it is about what other people's servers say.
# moat-remote(8) and moat-send(8) before Debian's Dovecot and Postfix's smtp-sink.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/..

setup() {
  export MOAT_ME=me.test
  # Unix sockets have short names.
  box=$(mktemp -d /tmp/moat-peer.XXXXXX)
  server=()
}

teardown() {
  for pid in "${server[@]}"; do kill "$pid" && wait "$pid" || :; done
  rm -rf "$box"
}

# Starts Dovecot's LMTP at $box/run/lmtp, with anna@b.test and nobody else.
# Debian's looks for its modules in one place alone: a copy looks in $box.
dovecot() {
  local peer old=/usr/lib/dovecot/modules new=././/////////////modules
  peer=$("$root/scripts/peer" dovecot-lmtpd 2>/dev/null) || skip "no dovecot-lmtpd to be had"
  [ "$(id -u)" != 0 ] || skip "Dovecot delivers nothing as root"
  cp -r "$peer/usr/lib/dovecot" "$box/lib"
  grep -lr "$old" "$box/lib" | xargs sed -i "s|$old\\x00|$new\\x00|g"
  mkdir "$box/run" && ln -s "$box/lib/modules" "$box/run/modules"
  export LD_LIBRARY_PATH=$box/lib:$box/lib/modules/old-stats:$peer/usr/lib/x86_64-linux-gnu
  cat >"$box/conf" <<-END
	base_dir = $box/run
	state_dir = $box/state
	log_path = $box/log
	libexec_dir = $box/lib
	mail_plugin_dir = $box/lib/modules
	import_environment = LD_LIBRARY_PATH=$LD_LIBRARY_PATH
	protocols = lmtp
	ssl = no
	default_internal_user = $(id -un)
	default_internal_group = $(id -gn)
	default_login_user = $(id -un)
	first_valid_uid = 1
	mail_location = maildir:$box/mail/%u
	postmaster_address = postmaster@b.test
	hostname = dovecot.test
	passdb {
	  driver = static
	}
	userdb {
	  driver = passwd-file
	  args = $box/users
	}
	service lmtp {
	  user = $(id -un)
	  unix_listener lmtp {
	    mode = 0600
	  }
	}
	service anvil {
	  chroot =
	}
	service stats {
	  chroot =
	}
	END
  echo "anna@b.test::$(id -u):$(id -g)::$box/mail/anna::" >"$box/users"
  "$peer/usr/bin/doveconf" -f service=master -c "$box/conf" -m master \
    -e "$peer/usr/sbin/dovecot" -F -c "$box/conf" >"$box/out" 2>&1 3>&- &
  server+=($!)
  unset LD_LIBRARY_PATH
  for _ in $(seq 200); do
    [ ! -S "$box/run/lmtp" ] || return 0
    sleep 0.05
  done
  cat "$box/out" "$box/log" && return 1
}

inbox() { find "$box/mail/anna@b.test/new" "$box/mail/anna@b.test/cur" -type f; }

@test "Dovecot takes what moat-remote says" {
  dovecot
  printf 'Subject: one\n\n.dot\n..\nlast' >"$box/message"
  run -100 moat-remote --to "unix:$box/run/lmtp" s@a.test anna@b.test bob@b.test <"$box/message"
  [[ ${lines[0]} == "K anna@b.test 2.0.0 "*" Saved" ]]
  [[ ${lines[1]} == "D bob@b.test 5.1.1 "*"550 5.1.1 "* ]]
  sed '1,/^Subject/d' "$(inbox)" >"$box/got"
  printf '\n.dot\n..\nlast\n' | cmp - "$box/got"
}

@test "Dovecot stands behind the gate" {
  dovecot
  export MOAT_DIR=$box/gate
  mkdir "$MOAT_DIR"
  moat-statectl init --user-only >/dev/null
  moat-userctl domain add b.test --route "unix:$box/run/lmtp" --recipients any
  moat-userctl domain add a.test
  moat-userctl user add s@a.test
  moat-send 2>"$box/sent" 3>&- &
  server+=($!)
  printf 'Subject: two\n\nhello\n' >"$box/message"
  printf 'Fs@a.test\0Tanna@b.test\0Tbob@b.test\0\0' >"$box/envelope"
  moat-queue --log none <"$box/message" 1<"$box/envelope"
  for _ in $(seq 200); do
    ! grep -q 'event=delivered .*recipient=s@a.test' "$box/sent" || break
    sleep 0.05
  done
  grep -q 'event=delivered .*recipient=anna@b.test .* Saved"' "$box/sent"
  grep -q 'event=failed .*recipient=bob@b.test .*550 5.1.1' "$box/sent"
  grep -qx 'Subject: two' "$(inbox)"
  grep -rqx 'Status: 5.1.1' "$MOAT_DIR/mail/a.test/s/new"
}

@test "Postfix's smtp-sink takes a hundred recipients and a large message" {
  local peer out
  peer=$("$root/scripts/peer" postfix 2>/dev/null) || skip "no postfix to be had"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir "$box/said"
  (cd "$box/said" && LD_LIBRARY_PATH=$peer/usr/lib/postfix:$peer/usr/lib/x86_64-linux-gnu \
    exec "$peer/usr/sbin/smtp-sink" -d m. "127.0.0.1:$port" 10) >"$box/out" 2>&1 3>&- &
  server+=($!)
  until socat -u OPEN:/dev/null "TCP:127.0.0.1:$port" 2>/dev/null; do sleep 0.05; done
  { printf 'Subject: three\n\n'; head -c 5000000 /dev/urandom | base64; } >"$box/message"
  mapfile -t recipients < <(seq -f 'u%g@b.test' 100)
  run -0 --separate-stderr moat-remote --to "127.0.0.1:$port" s@a.test "${recipients[@]}" <"$box/message"
  [ "$(grep -c '^K u[0-9]*@b.test 2.0.0 ' <<<"$output")" = 100 ]
  sed '1,/^Subject/d' "$(find "$box/said" -type f -size +1M)" | tr -d '\r' >"$box/got"
  sed 1d "$box/message" | head -n 1000 | cmp - <(head -n 1000 "$box/got")
}
