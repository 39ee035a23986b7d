#!/usr/bin/env bats
# moat-tcpd behind a proxy, and in front of liars.

bats_require_minimum_version 1.5.0
load tcpd

setup() {
  unset MOAT_DIR
}

teardown() {
  stop_server
}

show='env | grep -E "^(TCP|SSL)" | sort; read -r line; echo "then $line"'
v1=$'PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n'

@test "a version 1 header is the client" {
  serve --proxy-from 127.0.0.0/8 -- sh -c "$show"
  run -0 ask <<<"${v1}EHLO mx.example"
  [ "$output" = "TCPCONNNUM=1
TCPLOCALIP=198.51.100.1
TCPLOCALPORT=25
TCPREMOTEIP=192.0.2.1
TCPREMOTEPORT=56324
then EHLO mx.example" ]
}

@test "a version 2 header tells of TLS" {
  serve --proxy-from 127.0.0.1 -- sh -c "$show"
  printf '%b' '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x21\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\0\x19\x20\0\x12\x01\0\0\0\0\x21\0\x07TLSv1.3\x23\0\0' \
    >"$BATS_TEST_TMPDIR/header"
  run -0 ask < <(cat "$BATS_TEST_TMPDIR/header"; echo hello)
  [[ $output == *"SSL_PROTOCOL=TLSv1.3"* ]]
  [[ $output == *"TCPREMOTEIP=192.0.2.1"* ]]
  [[ $output == *"then hello" ]]
}

@test "a header may come an octet at a time, what follows is the chain's" {
  serve --proxy-from 127.0.0.1 -- sh -c 'read -r line; echo "$TCPREMOTEIP $line"'
  run -0 python3 - "$port" <<'PYTHON'
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for octet in b"PROXY TCP6 2001:db8::1 2001:db8::2 5 25\r\nhello\n":
    c.send(bytes([octet]))
print(c.recv(100).decode(), end="")
PYTHON
  [ "$output" = "2001:db8::1 hello" ]
}

@test "limits, rules and the log are for the client, not for the proxy" {
  export MOAT_DIR=$BATS_TEST_TMPDIR/gate
  moat-statectl init --user-only
  moat-relayctl rules smtp <<<$'192.0.2.66:deny\n127.0.0.1:deny\n'
  serve --proxy-from 127.0.0.1 --rules smtp --rate 1/1h -- echo hello
  run -0 ask <<<"$v1" && [ "$output" = hello ]
  run -0 ask <<<"$v1" && [[ $output == "421 4.7.0 "* ]]
  grep -q 'event=refuse ip=192.0.2.1 reason=rate' "$log"
  run -0 ask <<<"${v1/192.0.2.1/192.0.2.66}" && [ "$output" = "" ]
  grep -q 'event=refuse ip=192.0.2.66 reason=rules' "$log"
  run -0 ask <<<"${v1/192.0.2.1/192.0.2.2}" && [ "$output" = hello ]
}

@test "a proxy that speaks for itself is answered, and not checked" {
  serve --proxy-from 127.0.0.1 --rate 1/1h -- sh -c 'echo "$TCPREMOTEIP"'
  for _ in 1 2 3; do
    run -0 ask <<<$'PROXY UNKNOWN\r\n'
    [ "$output" = 127.0.0.1 ]
  done
}

@test "from others no header is looked for" {
  serve --proxy-from 192.0.2.0/24 -- sh -c 'read -r line; echo "$TCPREMOTEIP $line"'
  run -0 ask <<<"$v1"
  [ "$output" = $'127.0.0.1 PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r' ]
}

@test "without a header the connection is closed, soon" {
  serve --proxy-from 127.0.0.1 --proxy-timeout 100ms -- echo hello
  exec 7<>"/dev/tcp/127.0.0.1/$port"
  run ! read -r -t 10 -u 7 line
  exec 7<&-
  grep -q 'event=refuse ip=127.0.0.1 reason=proxy-timeout' "$log"
  run ask <<<"EHLO mx.example"
  [ "$output" = "" ]
  run ask < <(head -c 100000 /dev/urandom)
  [ "$output" = "" ]
  run ask < <(printf 'PROXY UNKNOWN %0600d\r\n' 0)
  [ "$output" = "" ]
  [ "$(grep -c 'reason=proxy-header' "$log")" -ge 3 ]
}

@test "slow headers hold up neither others nor the processor" {
  serve --proxy-from 127.0.0.1 --proxy-timeout 30s --limit 50 -- echo hello
  run -0 python3 - "$port" "$server" <<'PYTHON'
import os, socket, sys, time
port, pid = int(sys.argv[1]), sys.argv[2]
def ticks():
    return sum(map(int, open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
half = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
for c in half:
    c.send(b"PROXY TCP4 192")
began, before = time.monotonic(), ticks()
for _ in range(5):
    with socket.create_connection(("127.0.0.1", port)) as c:
        c.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 25\r\n")
        assert c.recv(100) == b"hello\n"
while time.monotonic() < began + 1:
    time.sleep(0.1)
assert ticks() - before < 30, ticks() - before
for _ in range(10):
    c = socket.create_connection(("127.0.0.1", port))
    half.append(c)
with socket.create_connection(("127.0.0.1", port)) as c:
    assert c.recv(100).startswith(b"421 4.7.0 too many"), "the limit holds for them too"
print("fine")
PYTHON
  [ "$output" = fine ]
}

@test "a flood of half-open and broken connections leaves nothing behind" {
  serve --limit 30 --per-ip 1000 --rate 100000/1s -- cat
  run -0 python3 - "$port" "$server" <<'PYTHON'
import os, socket, struct, sys, time
port, pid = int(sys.argv[1]), sys.argv[2]
fds = lambda: len(os.listdir(f"/proc/{pid}/fd"))
before = fds()
for i in range(600):
    c = socket.create_connection(("127.0.0.1", port))
    if i % 3 == 0:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if i % 2 == 0:
        c.send(b"x" * 1000)
    c.close()
for _ in range(200):
    with socket.create_connection(("127.0.0.1", port)) as c:
        c.send(b"hello\n")
        try:
            answer = c.recv(100)
        except ConnectionResetError:
            continue
        if answer == b"hello\n":
            break
    time.sleep(0.05)
else:
    raise SystemExit("never served again")
assert fds() <= before, (before, fds())
print("fine")
PYTHON
  [ "$output" = fine ]
}
