#!/usr/bin/env bats
# Not with the sanitizers: --help and pages are the same there.
# Each program has a manual page, and the two say the same.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/..

setup() {
  shopt -s nullglob
  pages=("$root"/man/*.[1-8])
  programs=()
  for main in "$root"/cmd/*/main.cc; do programs+=("moat-$(basename "$(dirname "$main")")"); done
}

# Prints the page of a program.
page_of() {
  local page
  for page in "$root/man/$1".[18]; do echo "$page"; done
}

# Prints a page as a reader sees it, a paragraph a line.
rendered() { mandoc -T ascii -O width=1000 "$1" | col -b -x; }

# Prints one section of a page.
section() { # PAGE NAME
  rendered "$1" | awk -v name="$2" '/^[A-Z]/ { on = $0 == name; next } on'
}

# What mandoc finds of other pages depends on what this machine has; ours are
# looked for below.
@test "the pages are clean" {
  lint=$(MANPATH=/nonexistent mandoc -T lint -W style "${pages[@]}" 2>&1 |
    grep -v 'referenced manual not found' || :)
  echo "$lint"
  [ -z "$lint" ]
}

@test "the page of each program says what --help says" {
  for program in "${programs[@]}"; do
    page=$(page_of "$program")
    [ -n "$page" ]
    diff <("$root"/scripts/man-options "$page") \
         <("$program" --help | "$root"/scripts/help-options)
  done
}

@test "a page has the name and half line of its program" {
  for program in "${programs[@]}"; do
    summary=$(moat --help | awk -v name="$program" '$1 == name { $1 = ""; print substr($0, 2) }')
    [ -n "$summary" ]
    section "$(page_of "$program")" NAME >"$BATS_TEST_TMPDIR/name"
    run -0 cat "$BATS_TEST_TMPDIR/name"
    [[ $output == *"$program - "* ]] || { echo "$program: $output"; false; }
  done
}

@test "a program's page has the sections that a reader looks for" {
  for program in "${programs[@]}"; do
    page=$(page_of "$program")
    for name in NAME SYNOPSIS DESCRIPTION ENVIRONMENT "EXIT STATUS" EXAMPLES "SEE ALSO"; do
      rendered "$page" | grep -qx "$name" || { echo "$page: no $name"; false; }
    done
  done
}

@test "each program prints its version" {
  version=$(sed -n 's/.*\*version = "\(.*\)".*/\1/p' "$root/libcommon/base/version.h")
  for program in "${programs[@]}"; do
    run -0 "$program" --version
    [ "$output" = "$program $version" ]
  done
}

@test "every page that another names is there" {
  for page in "${pages[@]}"; do
    while read -r name volume; do
      [ -e "$root/man/$name.$volume" ] || { echo "$page: $name($volume)"; false; }
    done < <(sed -n 's/^\.Xr \(moat[a-z-]*\) \([1-8]\).*/\1 \2/p' "$page")
  done
}

# An option in an example is one of the program that it follows, unless the words
# after it are another program's.
@test "the options in the examples are options" {
  for page in "${pages[@]}"; do
    section "$page" EXAMPLES >"$BATS_TEST_TMPDIR/examples"
    while read -r program option; do
      # A page may speak of programs that are not there yet.
      command -v "$program" >/dev/null || continue
      "$program" --help | grep -q -- "^  $option\b" ||
        { echo "$page: $program $option"; false; }
    done < <(awk '{
        sub(/^ *[$#%] /, "")
        if (!continued) program = ""
        continued = sub(/\\$/, "")
        for (i = 1; i <= NF; i++) {
          word = $i; gsub(/^["'\''(]+|["'\''),;]+$/, "", word)
          if (word ~ /^(\|+|&&|;)$/) program = ""
          if (word ~ /^moat-[a-z]+$/) program = word
          else if (word ~ /^[a-z.\/]+\/[a-z]+$/ && word !~ /^--/) continue
          else if (program != "" && word ~ /^--[a-z]/) {
            sub(/=.*/, "", word); print program, word
          }
        }
      }' "$BATS_TEST_TMPDIR/examples")
  done
}

# Prints, each once, the words in quotes that the sources give to functions of
# these names as their first argument.
words_in_sources() { # FUNCTIONS WORD, both regular expressions
  find "$root/cmd" "$root/libcommon" -name '*.cc' -exec cat {} + |
    perl -0777 -ne 'while (/(?:'"$1"')\(([^,{;]*)/gs) {
      my $argument = $1;
      print "$1\n" while $argument =~ /"('"$2"')"/g;
    }' | sort -u
}

# Prints "EVENT FIELD" for each field that the sources log, and "EVENT -" for
# each event.
events_in_sources() {
  find "$root/cmd" "$root/libcommon" -name '*.cc' -exec cat {} + |
    perl -0777 -ne 'while (/\b(?:event|detail|note)\(([^,{;]*)(?:,\s*(\{(?:[^{}]++|(?2))*\}))?/gs) {
      my ($events, $fields) = ($1, $2 // "");
      for my $event ($events =~ /"([a-z][a-z0-9-]*)"/g) {
        print "$event -\n";
        print "$event $1\n" while $fields =~ /\{\s*"([a-z_]+)"/g;
      }
    }' | sort -u
}

# Prints the entry of an event in moat-log(5).
log_entry() { # EVENT
  sed -n "/^\.It Li event=$1\$/,/^\.\(It\|El\)/p" "$root/man/moat-log.5"
}

@test "every event of the log is in moat-log(5), and no other" {
  diff <(events_in_sources | cut -d ' ' -f 1 | uniq) \
       <(sed -n 's/^\.It Li event=\([a-z0-9-]*\).*/\1/p' "$root/man/moat-log.5" | sort -u)
}

@test "every field of an event is in moat-log(5)" {
  while read -r event field; do
    [ "$field" = - ] || log_entry "$event" | grep -qw -- "$field" ||
      { echo "$event: no $field"; false; }
  done < <(events_in_sources)
}

@test "every variable that the sources name is in moat-environment(7)" {
  rendered "$root/man/moat-environment.7" >"$BATS_TEST_TMPDIR/page"
  for name in $(words_in_sources \
    '\bget|\bget_or|\bset|\bset_verbatim|\bunset|\balso_from|\bucspi' '[A-Z][A-Z0-9_]+'); do
    grep -qE "(\b|\})$name\b|\bTCP$name\b" "$BATS_TEST_TMPDIR/page" || { echo "$name"; false; }
  done
}

@test "every option's variable in moat-environment(7) is one" {
  rendered "$root/man/moat-environment.7" >"$BATS_TEST_TMPDIR/page"
  for program in "${programs[@]}"; do
    prefix=$(tr 'a-z-' 'A-Z_' <<<"$program")_
    "$program" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | tr 'a-z-' 'A-Z_' |
      sed "s/^/$prefix/" >"$BATS_TEST_TMPDIR/known"
    for name in $(grep -oE "\b${prefix}[A-Z_]*" "$BATS_TEST_TMPDIR/page" | sort -u); do
      grep -qx "$name" "$BATS_TEST_TMPDIR/known" || { echo "$name"; false; }
    done
  done
}
