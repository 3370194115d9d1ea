#!/usr/bin/env bash
# Windowed rows per product, by Vitrina and by Apache Flink, on the same files, in turns.
#
#   bench/flink/compare.sh EVENTS VITRINA [rocksdb|hashmap]...
#
#   EVENTS    folder of *.jsonl, made by `vitrina bench events N EVENTS`; at most one file a core
#   VITRINA   the binary of a release build
#   then      where Flink keeps its state; both kinds, if none is named
#
# Prints a Markdown table of medians and ratios; what it is doing goes to stderr. Before the timed
# rounds each system computes the rows once, and unless both have the same ones nothing is timed.
#
# Needs a JDK (11 or 17: `javac`, `java`), `python3` with `venv`, and PyPI, once, for Flink's jars
# (about 230 MB). They and all working files are in VITRINA_PEERS_TMP, by default
# ${TMPDIR:-/tmp}/vitrina-peers: put it on a real disk, both systems write their state there.
# ROUNDS (3) says how often each system runs.
set -euo pipefail

flink_version=2.3.0
startup_lines=1000
rounds=${ROUNDS:-3}

fail() {
  echo "compare.sh: $*" >&2
  exit 1
}

say() {
  echo "$*" >&2
}

(($# >= 2)) || fail "usage: compare.sh EVENTS VITRINA [rocksdb|hashmap]..."
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
events=$(cd "$1" && pwd)
vitrina=$(realpath "$2")
states=("${@:3}")
((${#states[@]})) || states=(rocksdb hashmap)
for state in "${states[@]}"; do
  [[ $state == rocksdb || $state == hashmap ]] || fail "the state is rocksdb or hashmap, not $state"
done
[[ -x $vitrina ]] || fail "$2 is not a program"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "ROUNDS is a number of at least 1, not $rounds"
for program in java javac python3; do
  command -v "$program" >/dev/null || fail "$program is missing"
done

shopt -s nullglob
files=("$events"/*.jsonl)
((${#files[@]})) || fail "no *.jsonl in $1"
((${#files[@]} <= $(nproc))) || fail "${#files[@]} files for $(nproc) cores; Flink needs a slot for each"

scratch=${VITRINA_PEERS_TMP:-${TMPDIR:-/tmp}/vitrina-peers}
# Vitrina refuses variables of its own name that it does not know.
unset VITRINA_PEERS_TMP
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
run=$(mktemp -d "$scratch/run-XXXXXX")
trap 'rm -rf "$run"' EXIT
results=$run/results

# The whole command of Vitrina. Its data directory is removed before every run.
vitrina_data=$run/vitrina
vitrina_rows=("$vitrina" rows "${files[@]}" --by product --window 10m --json --data-dir "$vitrina_data")

# --- Flink -------------------------------------------------------------------------------------

venv=$scratch/flink-$flink_version
if [[ ! -e $venv/complete ]]; then
  say "fetching Flink $flink_version from PyPI"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-deps "apache-flink-libraries==$flink_version"
  touch "$venv/complete"
fi
jar_folders=("$venv"/lib/python3*/site-packages/pyflink/lib)
((${#jar_folders[@]} == 1)) || fail "no jars of Flink below $venv"
jars=${jar_folders[0]}

mkdir "$run/classes"
javac -cp "$jars/*" -d "$run/classes" "$here/WindowedRows.java"

cat >"$run/log4j2.properties" <<'EOF'
rootLogger.level = ERROR
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
EOF

# What Flink reflects upon; its own start scripts open the same.
java_options=(-Xms1g -Xmx3g -XX:+UseG1GC "-Dlog4j2.configurationFile=$run/log4j2.properties")
java_options+=(--add-exports=java.base/sun.net.util=ALL-UNNAMED)
for package in java.lang java.lang.reflect java.net java.nio java.text java.time java.util \
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks sun.nio.ch; do
  java_options+=("--add-opens=java.base/$package=ALL-UNNAMED")
done

# The folders that Flink reads: the same files and nothing else, and their first lines.
mkdir "$run/all" "$run/first"
for file in "${files[@]}"; do
  ln -s "$file" "$run/all/"
  head -n "$((startup_lines / ${#files[@]}))" "$file" >"$run/first/${file##*/}"
done

# --- Runs --------------------------------------------------------------------------------------

# measured NAME COMMAND...: adds a line to the results: the name, seconds from start to end, CPU
# seconds, peak memory, and the JSON that the command said.
measured() {
  python3 - "$results" "$@" <<'EOF'
import json, resource, subprocess, sys, time

results, name, *command = sys.argv[1:]
begin = time.monotonic()
done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
wall = time.monotonic() - begin
if done.returncode != 0:
    sys.exit(f"compare.sh: {name} ended with {done.returncode}")
# One document, in one line or in many; before one line there may be others.
ends = [done.stdout, *done.stdout.strip().splitlines()[-1:]]
for text in ends:
    try:
        said = json.loads(text)
        break
    except ValueError:
        pass
else:
    sys.exit(f"compare.sh: {name} did not end with JSON")
used = resource.getrusage(resource.RUSAGE_CHILDREN)
line = {
    "name": name,
    "wall_s": wall,
    "cpu_s": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss / 1024,
    "said": said,
}
with open(results, "a") as out:
    print(json.dumps(line), file=out)
print(f"{name}: {wall:.2f} s, {line['cpu_s']:.2f} CPU s, {line['peak_mb']:.0f} MB {json.dumps(said)}", file=sys.stderr)
EOF
}

# run_flink NAME FOLDER STATE [CSV]
run_flink() {
  local name=$1 folder=$2 state=$3
  local work=$run/flink
  rm -rf "$work"
  mkdir "$work"
  measured "$name" java "${java_options[@]}" "-Djava.io.tmpdir=$work" -cp "$run/classes:$jars/*" \
    WindowedRows "$folder" "${#files[@]}" "$state" "$work" "${@:4}"
}

# run_vitrina NAME
run_vitrina() {
  rm -rf "$vitrina_data"
  measured "$1" "${vitrina_rows[@]}"
}

say "computing the rows once with each, to compare them"
run_vitrina check-vitrina
run_flink check-flink "$run/all" "${states[0]}" "$run/csv"
python3 - "$results" "$run/csv" <<'EOF'
import csv, json, math, pathlib, sys

results, folder = sys.argv[1:]
said = next(
    run["said"] for run in map(json.loads, open(results)) if run["name"] == "check-vitrina"
)
vitrina = (said["rows"], said["events"], said["purchases"])
rows, events, purchases, sums = 0, 0, 0, []
for path in pathlib.Path(folder).rglob("part-*"):
    with open(path, newline="") as part:
        for _product, _window, count, price_sum, bought in csv.reader(part):
            rows += 1
            events += int(count)
            purchases += int(bought)
            sums.append(float(price_sum))
flink = (rows, events, purchases)
if vitrina != flink or abs(float(said["sum"]) - math.fsum(sums)) > 0.01:
    sys.exit(
        "compare.sh: the rows differ (rows, events, purchases, sum): "
        f"Vitrina {vitrina} {said['sum']}, Flink {flink} {math.fsum(sums):.2f}"
    )
print(f"same rows: {rows:,}, {events:,} events, sum {said['sum']}, {purchases:,} purchases", file=sys.stderr)
EOF
rm -rf "$run/csv"

for ((round = 1; round <= rounds; round++)); do
  say "round $round of $rounds"
  for state in "${states[@]}"; do
    run_flink "startup-$state" "$run/first" "$state"
    run_flink "flink-$state" "$run/all" "$state"
    run_vitrina vitrina
  done
done

# --- Table -------------------------------------------------------------------------------------

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
python3 - "$results" "$flink_version" "$(nproc)" "${cpu:-$(uname -m)}" "$(date -u +%F)" "$rounds" "${#files[@]}" "${states[@]}" <<'EOF'
import json, statistics, sys

results, version, cores, cpu, date, rounds, file_count, *states = sys.argv[1:]
runs = [json.loads(line) for line in open(results)]


def median(name, figure):
    return statistics.median(figure(run) for run in runs if run["name"] == name)


def spread(name, figure):
    values = [figure(run) for run in runs if run["name"] == name]
    return f"{min(values):.1f}–{max(values):.1f}"


def wall(run):
    return run["wall_s"]


def job(run):
    return run["said"]["job_seconds"]


def row(label, name, seconds, fast, startup):
    rate = events / seconds
    print(
        f"| {label} | {rate / 1e3:,.0f}k | {seconds:.2f} s | {median(name, wall):.2f} s"
        f" ({spread(name, wall)}) | {startup}"
        f" | {median(name, lambda run: run['cpu_s']):.1f} s"
        f" | {median(name, lambda run: run['peak_mb']):,.0f} MB"
        f" | {fast / rate:.1f}× |"
    )


events = next(run["said"]["events"] for run in runs if run["name"] == "vitrina")
row_count = next(run["said"]["rows"] for run in runs if run["name"] == "vitrina")
vitrina_seconds = median("vitrina", wall)
fast = events / vitrina_seconds

print(f"{events:,} events in {file_count} files, {row_count:,} rows; {cpu}, {cores} cores, {date};")
print(f"medians of {rounds} rounds (Vitrina: of {int(rounds) * len(states)} runs), Flink {version}.")
print()
print("| system | events/s | counted time | from start to end (range) | start-up | CPU | peak memory | Vitrina's events/s are |")
print("|---|---|---|---|---|---|---|---|")
row("Vitrina, start included", "vitrina", vitrina_seconds, fast, "–")
for state in states:
    startup = median(f"startup-{state}", wall)
    seconds = median(f"flink-{state}", job) - median(f"startup-{state}", job)
    if seconds <= 0:
        sys.exit("compare.sh: too few events to tell Flink's work from its start-up")
    row(f"Flink, {state} state, without start-up", f"flink-{state}", seconds, fast, f"{startup:.1f} s")
EOF
