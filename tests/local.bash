# For tests of moat-local: a Maildir, a message, a door.

setup() {
  export MOAT_ME=me.test
  unset SENDER RECIPIENT
  box=$BATS_TEST_TMPDIR/box
  mkdir -p "$box"/{tmp,new,cur}
  message=$BATS_TEST_TMPDIR/message
  printf 'Subject: hello\n\nbody\n' >"$message"
  [ "$(id -u)" != 0 ] || own
}

# As root: gives the mailbox an owner who can reach it.
own() {
  chmod o+rx "$BATS_TEST_TMPDIR"{,/..,/../..}
  chown -R 65534:65534 "$box"
}

teardown() {
  [ -z "${server-}" ] || { kill "$server" && wait "$server" || :; }
  [ -z "${tmpfs-}" ] || umount "$tmpfs"
}

local_() { moat-local "$@" <"$message"; }

# Fails unless the box holds so many messages, and nothing is left in tmp/.
holds() { # COUNT
  [ "$(find "$box/new" -type f | wc -l)" = "$1" ]
  [ -z "$(ls -A "$box/tmp")" ]
}

# Talks to a door from python: NAME RECIPIENT MAILDIR [OWNER]
ask() {
  python3 - "$BATS_TEST_TMPDIR/door" "$message" "$@" <<-'END'
	import array, os, socket, sys
	door, message, name, recipient, maildir = sys.argv[1:6]
	fields = [f"name={name}", "sender=s@a.test", f"recipient={recipient}",
	          "arrival=1000000000", f"maildir={maildir}"]
	fields += [f"owner={owner}" for owner in sys.argv[6:]]
	request = b"".join(field.encode() + b"\0" for field in fields)
	peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	peer.connect(door)
	with open(message, "rb") as file:
	    rights = array.array("i", [file.fileno()])
	    peer.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
	    print(peer.recv(1000).replace(b"\0", b"").decode() or "closed")
	END
}

serve() {
  moat-local --serve "$BATS_TEST_TMPDIR/door" "$@" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  server=$!
  until grep -q event=serving "$BATS_TEST_TMPDIR/log"; do sleep 0.02; done
}
