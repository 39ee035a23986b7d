#!/usr/bin/env bats
# moat-smtpd: mail comes in, for whom it should.

bats_require_minimum_version 1.5.0
load smtpd

setup_file() {
  make_gate
}

setup() {
  make_queue
}

@test "a message is handed on with its envelope and a Received field" {
  talk <<<"$data> Subject: hello
> 
> ..dotted
> .
< 250 2.0.0
$quit"
  [ "$(messages)" = 1 ]
  [ "$(cat "$got/1/envelope")" = 'Fa@b.example|Tuser@example.test||' ]
  run -0 cat "$got/1/message"
  [[ ${lines[0]} == "Received: from c.example (unknown [192.0.2.7]) by mx.example.test with ESMTP" ]]
  [[ ${lines[1]} =~ ^"  id "[0-9a-f]{12}"; "[A-Z][a-z]{2},\ [0-9]{2}\ .*\ \+0000$ ]]
  [ "$(tail -n +3 "$got/1/message")" = $'Subject: hello\n\n.dotted' ]
}

@test "the greeting and the keywords are those of the manual" {
  run -0 talk <<<"< 220 mx.example.test ESMTP
> EHLO c.example
< 250
$quit"
  [ "$output" = "220 mx.example.test ESMTP
250-mx.example.test
250-PIPELINING
250-SIZE 26214400
250-8BITMIME
250-SMTPUTF8
250-ENHANCEDSTATUSCODES
250-CHUNKING
250 LIMITS RCPTMAX=100
221 2.0.0 mx.example.test closing" ]
}

@test "--without takes keywords away, and what they stand for" {
  run -0 talk --without chunking,SMTPUTF8 --without LIMITS,SIZE,8BITMIME <<<"$mail> BDAT 1 LAST
< 501 5.5.4
eof"
  [[ $output != *CHUNKING* && $output != *UTF8* && $output != *LIMITS* ]]
  [[ $output != *SIZE* && $output != *8BITMIME* && $output == *PIPELINING* ]]
  run -100 moat-smtpd --without NONSENSE
  [[ $output == *'--without takes keywords of EHLO, not "NONSENSE"'* ]]
}

@test "who says HELO is told so in Received, and may not pipeline" {
  talk <<<"< 220
> HELO c.example
< 250 mx.example.test
> MAIL FROM:<>
< 250
> RCPT TO:<user@example.test>
< 250
> DATA
< 354
> .
< 250
>> MAIL FROM:<>\r\nRCPT TO:<user@example.test>\r\n
< 554 5.5.0
eof"
  head -n 1 "$got/1/message" | grep -q 'with SMTP$'
  [ "$(cat "$got/1/envelope")" = 'F|Tuser@example.test||' ]
}

@test "known, unknown and foreign recipients get their replies" {
  talk --max-errors 100 --max-unknown 100 <<<"$hello> MAIL FROM:<a@b.example>
< 250 2.1.0
> RCPT TO:<user@example.test>
< 250 2.1.5
> RCPT TO:<USER@Example.Test>
< 250 2.1.5
> RCPT TO:<user+tag@example.test>
< 250 2.1.5
> RCPT TO:<sales@example.test>
< 250 2.1.5
> RCPT TO:<\"user\"@example.test>
< 250 2.1.5
> RCPT TO:<postmaster@example.test>
< 250 2.1.5
> RCPT TO:<Postmaster>
< 250 2.1.5
> RCPT TO:<@relay.example:user@example.test>
< 250 2.1.5
> RCPT TO:<nobody@example.test>
< 550 5.1.1
> RCPT TO:<user@outside.example>
< 550 5.7.1 relaying denied
> RCPT TO:<user@[192.0.2.1]>
< 550 5.7.1
> RCPT TO:<user@[IPv6:2001:db8::1]>
< 550 5.7.1
> RCPT TO:<user%outside.example@example.test>
< 550 5.1.1
> DATA
< 354
> .
< 250
$quit"
  [ "$(tr '|' '\n' <"$got/1/envelope" | grep -c ^T)" = 8 ]
  grep -q '|Tpostmaster@example.test|' "$got/1/envelope"
}

@test "RELAYCLIENT lets a client relay, its value goes behind each recipient" {
  RELAYCLIENT='' talk <<<"$hello> MAIL FROM:<user@example.test>
< 250
> RCPT TO:<friend@outside.example>
< 250
> RCPT TO:<nobody@example.test>
< 550 5.1.1
> DATA
< 354
> .
< 250
$quit"
  [ "$(cat "$got/1/envelope")" = 'Fuser@example.test|Tfriend@outside.example||' ]
  RELAYCLIENT=@gw.example talk <<<"$hello> MAIL FROM:<>
< 250
> RCPT TO:<friend@outside.example>
< 250
> RCPT TO:<postmaster>
< 250
> DATA
< 354
> .
< 250
$quit"
  [ "$(cat "$got/2/envelope")" = 'F|Tfriend@outside.example@gw.example|Tpostmaster@example.test@gw.example||' ]
}

@test "the queue gets the session's variables" {
  TCPREMOTEHOST=c.example MOAT_SESSION=deadbeef RELAYCLIENT='' talk <<<"$data> .
< 250
$quit"
  grep -qx 'MOAT_SESSION=deadbeef' "$got/1/env"
  grep -qx 'MOAT_HELO=c.example' "$got/1/env"
  grep -qx 'TCPREMOTEIP=192.0.2.7' "$got/1/env"
  grep -qx 'RELAYCLIENT=' "$got/1/env"
  grep -qE '^MOAT_DEADLINE=[0-9]+$' "$got/1/env"
  head -n 2 "$got/1/message" | grep -q '(c.example \[192.0.2.7\])'
  head -n 2 "$got/1/message" | grep -q 'id deadbeef;'
}

@test "an IPv6 client and one of another UCSPI server are named as they are" {
  TCPREMOTEIP=2001:db8::1 talk <<<"$data> .
< 250
$quit"
  PROTO=TCP6 TCP6REMOTEIP=2001:db8::2 talk <<<"$data> .
< 250
$quit"
  grep -q 'unknown \[IPv6:2001:db8::1\]' "$got/1/message"
  grep -q 'unknown \[IPv6:2001:db8::2\]' "$got/2/message"
}

@test "chunks come in, alone and pipelined" {
  talk <<<"$mail> BDAT 4
>> a\r\nb
< 250 2.0.0 4 octets
> BDAT 2
>> \r\n
< 250
> BDAT 0 LAST
< 250 2.0.0 queued
>> MAIL FROM:<>\r\nRCPT TO:<user@example.test>\r\nBDAT 3\r\nx\r\nBDAT 4 LAST\r\n.\r\ny
< 250
< 250
< 250
< 250 2.0.0 queued
$quit"
  [ "$(tail -n +3 "$got/1/message")" = $'a\nb' ]
  [ "$(tail -n +3 "$got/2/message")" = $'x\n.\ny' ]
}

@test "a refused chunk is drained and never taken for commands" {
  talk <<<"$hello> BDAT 26
>> MAIL FROM:<a@b.example>\r\n.
< 503 5.5.1
> MAIL FROM:<a@b.example>
< 250
> RCPT TO:<nobody@example.test>
< 550
>> BDAT 200000 LAST\r\n
>20000 RSET......
< 554 5.5.1
> NOOP
< 250
$quit" || true
  run -0 logged event=disconnect
  [[ $output == *messages=0* ]]
}

@test "SMTPUTF8 is honoured and told" {
  talk <<<"$hello> MAIL FROM:<grüße@b.example> SMTPUTF8 BODY=8BITMIME
< 250
> RCPT TO:<user@example.test>
< 250
> DATA
< 354
> Subject: grüße
> .
< 250
$quit"
  [ "$(cat "$got/1/envelope")" = 'Fgrüße@b.example|Tuser@example.test||' ]
  head -n 1 "$got/1/message" | grep -q 'with UTF8SMTP$'
}

@test "sizes: SIZE, --max-size, DATABYTES" {
  talk --max-size 100 <<<"$hello> MAIL FROM:<a@b.example> SIZE=101
< 552 5.3.4
> MAIL FROM:<a@b.example> SIZE=100
< 250
> RCPT TO:<user@example.test>
< 250
> DATA
< 354
>101 x
> .
< 552 5.3.4
$quit"
  DATABYTES=1000 talk --max-size 100 <<<"$data>100 x
> .
< 250
$quit"
  DATABYTES=0 run -0 talk --max-size 100 <<<"$data>100 x
> .
< 250
$quit"
  [[ $output == *'250-SIZE 0'* ]]
  DATABYTES=12x run -0 talk <<<"< 421 4.3.5
eof"
  [ "$(messages)" = 2 ]
}

@test "a large message goes through a file without a name" {
  talk <<<"$data>20000 0123456789012345678901234567890123456789
> .
< 250
$quit"
  [ "$(tail -n +3 "$got/1/message" | wc -c)" = 820000 ]
  [ -z "$(find "$BATS_TEST_TMPDIR" -name 'moat.*')" ]
}

@test "no room for a large message is 452, and it is read to its end" {
  TMPDIR=/nonexistent talk <<<"$data>20000 0123456789012345678901234567890123456789
> .
< 452 4.3.1
> NOOP
< 250
$quit"
  logged event=trouble
  [ "$(messages)" = 0 ]
}

@test "a message that loops is refused" {
  fields=$(printf '> Received: from %d\n' {1..31})
  talk <<<"$data$fields
> 
> .
< 554 5.4.6
$quit"
  talk --hops 31 <<<"$data$fields
> 
> Received: in the body
> .
< 250
$quit"
  talk --hops 1 <<<"$data> Delivered-To: a
> Delivered-To: b
> .
< 554 5.4.6
$quit"
  [ "$(messages)" = 1 ]
  [[ $(logged event=reject) == *'stage=data code=554 status=5.4.6 helo=c.example sender=a@b.example recipient=user@example.test reason=loop'* ]]
}

@test "--complete-headers adds what a customer's program left out" {
  RELAYCLIENT='' talk --complete-headers <<<"$data> Subject: x
> 
> body
> .
< 250
$quit"
  run -0 tail -n +3 "$got/1/message"
  [ "${lines[0]}" = 'Subject: x' ]
  [[ ${lines[1]} =~ ^Date:\ .*\ \+0000$ ]]
  [[ ${lines[2]} =~ ^Message-ID:\ \<[0-9a-f.]+@mx.example.test\>$ ]]
  [ "${lines[3]}" = 'From: <a@b.example>' ]
  [ "${lines[4]}" = body ]
  RELAYCLIENT='' talk --complete-headers <<<"$data> from: x
> DATE: y
> message-id: z
> .
< 250
$quit"
  [ "$(tail -n +3 "$got/2/message")" = $'from: x\nDATE: y\nmessage-id: z' ]
  talk --complete-headers <<<"$data> .
< 250
$quit"
  [ "$(wc -l <"$got/3/message")" = 2 ]
}

@test "every refusal names client, sender, recipient and reason in the log" {
  MOAT_SESSION=deadbeef talk <<<"$hello> MAIL FROM:<a@b.example>
< 250
> RCPT TO:<nobody@example.test>
< 550
$quit"
  [ "$(logged event=reject)" = 'moat-smtpd: session=deadbeef ip=192.0.2.7 event=reject stage=rcpt code=550 status=5.1.1 helo=c.example sender=a@b.example recipient=nobody@example.test reason=unknown text="no such recipient here"' ]
  run -0 logged event=disconnect
  [[ $output == *'event=disconnect reason=quit helo=c.example messages=0 rejects=1 seconds='* ]]
  talk <<<"$data> .
< 250
$quit"
  run -0 logged event=queued
  [[ $output == *' recipients=1 helo=c.example sender=a@b.example recipient=user@example.test' ]]
}

@test "a client cannot forge a line of the log" {
  talk <<<"$hello> MAIL FROM:<\"a\\\" event=queued\"@b.example>
< 250
> RCPT TO:<\"x y=z\"@example.test>
< 550
> EHLO a\x01b
< 501
$quit"
  run -0 logged reason=unknown
  [[ $output == *'recipient="\"x y=z\"@example.test"'* ]]
}

@test "it runs under tcpserver" {
  command -v tcpserver >/dev/null || skip "no tcpserver"
  tcpserver -v -H -R -l 0 127.0.0.1 0 true </dev/null 2>/dev/null &
  kill $!
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  tcpserver -H -R -l 0 127.0.0.1 "$port" moat-smtpd --queue "$queue" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
  server=$!
  for _ in {1..100}; do
    if (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.05
  done
  run smtptalk "$port" <<<"$data> .
< 250
$quit"
  kill "$server"
  [ "$status" = 0 ]
  grep -q 'unknown \[127.0.0.1\]' "$got/1/message"
}

@test "it runs on pipes, as under a program that does TLS" {
  mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
  moat-smtpd --log none --queue "$queue" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
  exec 8>"$BATS_TEST_TMPDIR/in" 9<"$BATS_TEST_TMPDIR/out"
  read -r line <&9
  [ "$line" = $'220 mx.example.test ESMTP\r' ]
  printf 'QUIT\r\n' >&8
  read -r line <&9
  [ "$line" = $'221 2.0.0 mx.example.test closing\r' ]
  exec 8>&- 9<&-
  wait "$!"
}

@test "a wrong call exits 100 and says what it takes" {
  run -100 moat-smtpd extra
  [ "$output" = 'moat-smtpd: fatal: takes no operand, not "extra"' ]
  run -100 moat-smtpd --max-recipients 0
  run -100 moat-smtpd --queue ''
  run -100 moat-smtpd --queue unix:
  MOAT_SMTPD_HOPS=x run -100 moat-smtpd
  [[ $output == *MOAT_SMTPD_HOPS* ]]
  MOAT_ME='not a name' run -100 moat-smtpd
}

@test "a program for the queue is taken from QMAILQUEUE, never from MOAT_SMTPD_QUEUE" {
  QMAILQUEUE=$queue MOAT_SMTPD_QUEUE=false smtptalk -- moat-smtpd --log none <<<"$data> .
< 250
$quit"
  [ "$(messages)" = 1 ]
}
