#!/usr/bin/env bats
# Not with the sanitizers: it would measure them.
# make bench: what it tells, and that it still runs. Its figures are for a quiet
# machine; here a run is as short as it can be.

bats_require_minimum_version 1.5.0

bench=$BATS_TEST_DIRNAME/bench

judge() {
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$bench python3 -c '
import sys, table
row = table.Row("x", "ms", float(sys.argv[1]))
pairs = [pair.split("/") for pair in sys.argv[2:]]
row.ours = [float(pair[0]) for pair in pairs]
row.theirs = [float(pair[1]) for pair in pairs]
print(row.verdict(), len(table.missed([row])))' "$@"
}

@test "an aim is met by the median" {
  run -0 judge 0.5 4/10 5/10 9/10
  [ "$output" = "met 0" ]
}

@test "an aim that one pair reaches is no miss" {
  run -0 judge 0.5 5/10 6/10 9/10
  [ "$output" = "within spread 0" ]
}

@test "an aim that no pair reaches is a miss" {
  run -0 judge 0.5 6/10 6/10 7/10
  [ "$output" = "missed 1" ]
}

@test "the table names measure, aim, both values and the verdict" {
  run -0 env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$bench" python3 -c '
import table
row = table.Row("session", "ms CPU", 1.1)
row.ours, row.theirs = [0.2, 0.3, 0.2], [0.4, 0.4, 0.4]
print("\n".join(table.lines([row, table.Row("empty", "s")])))'
  [ "${#lines[@]}" -eq 3 ]
  [[ ${lines[2]} =~ ^'| session | ms CPU | 1.1 | 0.200 |   0.400 |  0.50 | 0.50-0.75 | met |' ]]
}
