#!/usr/bin/env bats
# moat-smtpd: the sessions that others have collected. What a table has of AUTH,
# STARTTLS, rules and checks of other programs is left out; tests/tools/smtptables
# names each with the reason.

bats_require_minimum_version 1.5.0
load smtpd

setup_file() {
  make_gate
}

setup() {
  need_test_data
  make_queue
}

# Runs all sessions of a table; there must be so many.
table() { # NAME COUNT
  smtptables "$1" "$test_data" >"$BATS_TEST_TMPDIR/script"
  [ "$(grep -c '^=== ' "$BATS_TEST_TMPDIR/script")" -ge "$2" ]
  talk --max-errors 100 <"$BATS_TEST_TMPDIR/script"
}

@test "no relay probe gets further than RCPT" {
  table relay 21
  [ "$(messages)" = 0 ]
  [ "$(grep -c event=reject "$BATS_TEST_TMPDIR/log")" -ge 21 ]
}

@test "no end-of-data trick smuggles a message, in DATA or BDAT" {
  table smuggling 38
  # Those whose only trick is a NUL are whole messages, the smuggled commands in
  # them as text.
  whole=$(grep -c '^> \.$' "$BATS_TEST_TMPDIR/script")
  [ "$whole" -ge 2 ]
  [ "$(messages)" = $((whole * 2)) ]
  for message in "$got"/*/message; do grep -aq '^DATA$' "$message"; done
  for envelope in "$got"/*/envelope; do
    [ "$(cat "$envelope")" = 'Fa@b.example|Tuser@example.test||' ]
  done
}

@test "command lines of other servers' tests" {
  table syntax 29
}

@test "dialogs of other servers' tests" {
  table dialogs 11
}

@test "several short messages a session" {
  table mailfront 5
}

@test "sessions of a filter's tests" {
  table spamdyke 36
}

@test "addresses of every kind, over the wire" {
  python3 - "$test_data/address/isemail_tests.tsv" >"$BATS_TEST_TMPDIR/script" <<'END'
import re, sys
valid = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}
escapes = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\"}
for line in open(sys.argv[1], encoding="utf-8", newline="\n"):
    number, address, category = line.split("\t")[:3]
    if not number.isdigit():
        continue
    address = re.sub(r"\\[nrt\\]", lambda match: escapes[match[0]], address)
    if re.search("[\r\n]", address.replace("\r\n", "")):
        expected = "521 5.5.2"
    elif "\r\n" in address:
        expected = "501 5.1.7"  # the command ends there
    elif not address:
        expected = "250"  # the null sender
    elif not address.isascii() or "\0" in address:
        expected = "5"
    else:
        expected = "250" if category in valid else "501 5.1.7"
    if "IPV6DEPRECATED" in line:
        expected = "(250|501)"
    if "TOOLONG" in line and "LOCAL" in line and len(address) < 250:
        expected = "250"  # senders of mailing lists are longer than 64 octets
    print(f"=== {number}\n< 220\n> EHLO c.example\n< 250")
    text = address.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")
    print(f"> MAIL FROM:<{text}>\n< {expected}")
END
  [ "$(grep -c ^=== "$BATS_TEST_TMPDIR/script")" -ge 160 ]
  talk <"$BATS_TEST_TMPDIR/script"
}
