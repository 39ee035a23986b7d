#!/usr/bin/env bats
# moat-smtpd: clients that mean ill, or are mad.

bats_require_minimum_version 1.5.0
load smtpd

setup_file() {
  make_gate
}

setup() {
  make_queue
}

@test "talking before the greeting is refused" {
  run -0 smtptalk --early 'EHLO c.example\r\n' -- moat-smtpd --log none <<<"< 554 5.5.0
eof"
}

@test "talking behind a command that ends a group is refused" {
  talk <<<"< 220
>> EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n
< 554 5.5.0
eof"
  talk <<<"$mail>> DATA\r\nx\r\n.\r\n
< 554 5.5.0
eof"
  [ "$(messages)" = 0 ]
  logged reason=pipelining
}

@test "other protocols are cut off at once" {
  for text in 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' 'POST / HTTP/1.1\r\n' \
    'CONNECT mx:25 HTTP/1.0\r\n\r\n' 'SSH-2.0-OpenSSH_9.2\r\n' \
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' '\x03\x00\x00\x13\x0e' '\x05\x01\x00'; do
    talk <<<"< 220
>> $text
< 521 5.5.1
eof"
    logged reason=foreign-protocol
  done
}

@test "a bare CR or LF in a command ends the session" {
  for text in 'NOOP\n' 'NOOP\rNOOP\r\n' 'NOOP\r\r\n' '\n'; do
    talk <<<"$hello>> $text
< 521 5.5.2
eof"
  done
}

@test "8-bit octets and NUL in commands are refused, and harm nothing" {
  talk --max-errors 100 <<<"$hello> \xff\xfe\x80
< 500 5.5.2
> NO\0OP
< 500 5.5.2
> MAIL FROM:<a\0@b.example>
< 500 5.5.2
> MAIL FROM:<\xe9@b.example>
< 501 5.1.7
> MAIL FROM:<a@b.example> \xff
< 555 5.5.4
> EHLO \xff
< 501 5.5.2
$quit"
}

@test "a line of a megabyte" {
  talk <<<"$hello>>1048576 x
< 521 5.5.6
eof"
  talk <<<"$hello>>5000 x
>> \r\n
< 500 5.5.6
$quit"
  talk <<<"$data>>1048576 x
>> \r\n.\r\n
< 250
$quit"
  [ "$(tail -n +3 "$got/1/message" | wc -c)" = 1048577 ]
}

@test "a command an octet at a time" {
  script=''
  text='MAIL FROM:<a@b.example>'
  for ((i = 0; i < ${#text}; i++)); do script+=">> ${text:i:1}"$'\n'; done
  talk <<<"$hello$script>> \r
>> \n
< 250
$quit"
}

@test "no command until the timeout" {
  run -0 talk --command-timeout 1s <<<"$hello< 421 4.4.2
eof"
  run -0 logged event=disconnect
  [[ $output == *reason=timeout* ]]
  talk --command-timeout 1s <<<"$data> half a message
< 421 4.4.2
eof"
  talk --command-timeout 1s <<<"$hello>> MAIL FR
< 421 4.4.2
eof"
  [ "$(messages)" = 0 ]
}

@test "a session is no longer than its limit, whatever it does" {
  talk --session-limit 1s <<<"$data>> x
sleep 0.6
>> x
sleep 0.6
< 421 4.4.2
eof"
}

@test "a client that never reads is dropped" {
  SECONDS=0
  talk --command-timeout 1s --max-recipients 1 <<<"$mail>2000000 RCPT TO:<user@example.test>
drain" >/dev/null || true
  run -0 logged event=disconnect
  [[ $output == *reason=unread* ]]
  [ "$SECONDS" -lt 60 ]
}

@test "half a message and then gone: nothing is queued" {
  talk <<<"$data> Subject: half
> 
>> the line is cut he"
  talk <<<"$data> Subject: half
half
eof"
  talk <<<"$mail> BDAT 1000 LAST
>> only this
half
eof"
  talk <<<"$mail> BDAT 5
>> half\n"
  [ "$(messages)" = 0 ]
  logged reason=eof
}

@test "addresses over every length" {
  long=$(printf '%0*d' 300 0)
  talk --max-errors 100 <<<"$hello> MAIL FROM:<${long:0:254}@b.example>
< 501 5.1.7
> MAIL FROM:<a@${long:0:64}.example>
< 501 5.1.7
> MAIL FROM:<a@b.example>
< 250
> RCPT TO:<${long:0:64}@example.test>
< 550 5.1.1
> RCPT TO:<${long:0:65}@example.test>
< 501 5.1.3
> RCPT TO:<a@${long:0:64}.example>
< 501 5.1.3
> RCPT TO:<a@${long:0:60}.${long:0:60}.${long:0:60}.${long:0:60}.${long:0:60}>
< 501 5.1.3
> RCPT TO:<\"$long\"@example.test>
< 501 5.1.3
> RCPT TO:<@${long:0:60}.example:user@example.test>
< 250
> RCPT TO:<@$long:user@example.test>
< 501 5.1.3
$quit"
}

@test "10,000 recipients: the first hundred are taken, the rest are for later" {
  talk <<<"$hello> MAIL FROM:<a@b.example>
< 250
>10000 RCPT TO:<user@example.test>
> DATA
$(yes '< 250' | head -n 100)
$(yes '< 452 4.5.3' | head -n 9900)
< 354
> .
< 250
$quit" >/dev/null
  [ "$(tr '|' '\n' <"$got/1/envelope" | grep -c ^T)" = 100 ]
  talk --max-recipients 10000 <<<"$hello> MAIL FROM:<a@b.example>
< 250
>10000 RCPT TO:<user@example.test>
> DATA
$(yes '< 250' | head -n 10000)
< 354
> .
< 250
$quit" >/dev/null
  [ "$(tr '|' '\n' <"$got/2/envelope" | grep -c ^T)" = 10000 ]
}

@test "errors, junk and unknown recipients are bounded" {
  talk <<<"$hello$(printf '> FOO\n< 500\n%.0s' {1..5})
> FOO
< 421 4.7.0
eof"
  talk <<<"$hello$(printf '> NOOP\n< 250\n%.0s' {1..20})
> RSET
< 421 4.7.0
eof"
  talk <<<"$hello> MAIL FROM:<a@b.example>
< 250
$(printf '> RCPT TO:<u%d@example.test>\n< 550 5.1.1\n' 1 2 3)
> RCPT TO:<u4@example.test>
< 421 4.7.0
eof"
  logged reason=max-unknown
}

@test "who errs is slowed down" {
  start=$EPOCHREALTIME
  smtptalk -- moat-smtpd --log none --tarpit-after 1 --tarpit-delay 400ms --queue "$queue" <<<"$hello> FOO
< 500
> FOO
< 500
> NOOP
< 250
$quit"
  [ $((${EPOCHREALTIME/./} - ${start/./})) -ge 1200000 ]
}

@test "SIGTERM ends it between commands, never within a message" {
  talk <<<"$hello
kill SIGTERM
< 421 4.3.2
eof"
  run -0 logged event=disconnect
  [[ $output == *reason=stop* ]]
  talk <<<"$data> x
kill SIGTERM
sleep 1.3
> .
< 250 2.0.0
< 421 4.3.2
eof"
  [ "$(messages)" = 1 ]
}

@test "random octets" {
  python3 -c '
import random
random.seed(int(__import__("sys").argv[1]))
for session in range(40):
    print(f"=== {session}\n< 220")
    for _ in range(20):
        line = bytes(random.randrange(256) for _ in range(random.randrange(40)))
        print(">> " + "".join(f"\\x{octet:02x}" for octet in line) + random.choice(["", "\\r\\n"]))
    print("half\ndrain")' 5 | talk
  [ "$(messages)" = 0 ]
}

@test "where descriptor 2 is the connection too, the log does not go there" {
  smtptalk -- sh -c 'exec moat-smtpd --queue false 2>&1' <<<"$mail> RCPT TO:<no@example.test>
< 550
$quit"
}
