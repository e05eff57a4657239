#!/usr/bin/env bash
# Everything that must hold: build, format, .NET tests, the workflows, tests with real Matrix clients and with a real browser.
# Needs the .NET SDK and Debian's tools; installs the rest. Prints one line a suite and the sum of all as the last line.
#
#   ./test.sh          everything
#   ./test.sh quick    the inner loop: build and .NET tests, without those of category Slow
#
# With CI=true a skipped test counts as failed. Runs in one checkout may overlap: they take turns at building.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mode=${1:-all}
if [[ $mode != all && $mode != quick ]]; then
  echo "usage: $0 [quick]" >&2
  exit 2
fi

# Release: what is published is what is tested, and a sample that somebody runs from Debug is left alone.
configuration=Release
output=bin/$configuration/net10.0
time_limit=20m
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
export HOMESERVER_DLL=$PWD/samples/LocalHomeserver/$output/LocalHomeserver.dll

passed=0 failed=0 skipped=0 job=
temp=$(mktemp -d)
trap finish EXIT
trap 'exit 130' INT TERM

main() {
  step build locked dotnet build Matrix.ToDevice.sln -c $configuration -warnaserror -v quiet --tl:off || exit 1
  if [[ $mode == quick ]]; then
    quick_suite
    return
  fi
  step format locked dotnet format Matrix.ToDevice.sln --verify-no-changes --no-restore || true
  if ! has_postgresql; then step postgresql locked install_postgresql || true; fi
  if ! has_mariadb; then step mariadb locked apt_install mariadb-server-core mariadb-client-core || true; fi
  if ! has_prometheus; then step prometheus locked install_prometheus || true; fi
  if ! has_linker; then step linker locked apt_install clang zlib1g-dev || true; fi
  local project
  for project in tests/*/*.csproj; do dotnet_suite "$project"; done
  if step workflow-packages locked install_packages tests/Workflows; then
    node_suite Workflows tests/Workflows npm
  fi
  if step client-packages locked install_packages tests/Clients tests/Spec; then
    node_suite Clients tests/Clients npm
    node_suite Clients-PostgreSQL tests/Clients env HOMESERVER_STORE=postgresql pg_virtualenv -t npm
    node_suite Spec tests/Spec npm
  fi
  if ! command -v chromium >/dev/null; then step chromium locked apt_install chromium || true; fi
  if step browser-packages locked install_packages tests/Browser samples/LocalHomeserver/Page; then
    node_suite Browser tests/Browser npm
  fi
}

dotnet_suite() { # PROJECT
  local name
  name=$(basename "$1" .csproj)
  suite "$name" trx_counts timeout $time_limit dotnet test "$(tests_of "$1")" \
    --results-directory "$temp" --logger "trx;LogFileName=$name.results"
}

# Everything that is not slow, a project on each processor.
quick_suite() {
  local project tests=()
  for project in tests/*/*.csproj; do tests+=("$(tests_of "$project")"); done
  suite quick trx_counts timeout $time_limit dotnet test "${tests[@]}" --filter "TestCategory!=Slow" \
    --results-directory "$temp" --logger "trx;LogFileName=quick.results" -- RunConfiguration.MaxCpuCount=0
}

tests_of() { echo "$(dirname "$1")/$output/$(basename "$1" .csproj).dll"; } # PROJECT

node_suite() { # NAME FOLDER NPM...
  local name=$1 folder=$2
  shift 2
  suite "$name" tap_counts timeout $time_limit "$@" --prefix "$folder" test --silent -- \
    --test-reporter=tap --test-reporter-destination="$temp/$name.results" \
    --test-reporter=spec --test-reporter-destination=stdout
  sed -n "s/^# storm:/ /p" "$temp/$name.results" 2>/dev/null || true
}

# npm comes from Debian if there is none; the Node that the tests run on comes with their packages.
install_packages() { # FOLDER...
  if ! node --version || ! npm --version; then apt_install nodejs npm || return; fi
  local folder stamp lock
  for folder; do
    stamp=$folder/node_modules/.installed-from
    lock=$(cat "$folder/package.json" "$folder/package-lock.json" "$folder/.npmrc" | sha256sum) || return
    if [[ -f $stamp && $(<"$stamp") == "$lock" ]]; then continue; fi
    { npm --prefix "$folder" ci --loglevel=error && echo "$lock" >"$stamp"; } || return
  done
}

has_postgresql() { compgen -G "/usr/lib/postgresql/*/bin/initdb" && command -v pg_virtualenv && [[ -x /usr/sbin/pgbouncer ]]; } >/dev/null

# The tests start servers of their own; Debian's package would start one more.
install_postgresql() {
  apt_install postgresql-common || return
  as_root sed -i "s/^#\? *create_main_cluster.*/create_main_cluster = false/" /etc/postgresql-common/createcluster.conf &&
    apt_install postgresql pgbouncer
}

# Its programs, without the server that Debian would start.
has_mariadb() { [[ -x /usr/sbin/mariadbd ]] && command -v mariadb-install-db && command -v my_print_defaults; } >/dev/null

has_prometheus() { command -v prometheus && command -v promtool; } >/dev/null

# The tests start one of their own; Debian's package would start one more, unless systemd is told not to.
install_prometheus() {
  if [[ -d /run/systemd/system ]]; then as_root systemctl mask prometheus || return; fi
  apt_install prometheus
}

# For the packages' tests, which compile ahead of time.
has_linker() { command -v clang || command -v gcc; } >/dev/null

apt_install() { # PACKAGE...
  as_root apt-get update -qq && as_root apt-get install -qq -y --no-install-recommends "$@"
}

as_root() { # COMMAND...
  local sudo=()
  if [[ $(id -u) != 0 ]]; then sudo=(sudo); fi
  ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive "$@"
}

# One at a time in this checkout. What the command leaves running (a build server) must not keep the lock.
locked() { (flock 9 && "$@" 9<&-) 9<.; }

# A step succeeds or is a failure.
step() { # NAME COMMAND...
  local name=$1 start=$SECONDS
  if run "$@"; then
    printf '%-36s ok, %d s\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    printf '%-36s FAILED, %d s\n' "$name" $((SECONDS - start))
    show "$name"
    return 1
  fi
}

# A suite has counts. Failing without a failed test is a failure too, and so is running none.
suite() { # NAME COUNTER COMMAND...
  local name=$1 counter=$2 start=$SECONDS status=0 p f s
  shift 2
  run "$name" "$@" || status=$?
  read -r p f s < <("$counter" "$temp/$name.results") || true
  if [[ ${CI:-} == true ]]; then f=$((f + s)) s=0; fi
  if ((f == 0)) && { ((status != 0)) || ((p == 0)); }; then f=1; fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%-36s %d passed, %d failed, %d skipped, %d s\n' "$name:" "$p" "$f" "$s" $((SECONDS - start))
  if ((f > 0)); then show "$name"; fi
}

# As a process group of its own, which ends with this script.
run() { # NAME COMMAND...
  local log=$temp/$1.log status=0
  shift
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  job=$!
  set +m
  wait $job || status=$?
  job=
  return $status
}

show() { # NAME
  echo "---- the end of what $1 said"
  grep -v "^ *at NUnit.Framework.Internal" "$temp/$1.log" | tail -n 300
  echo "----"
}

# Counters print: passed failed skipped.
trx_counts() { # FILE
  sed -nE 's/.*<Counters total="([0-9]+)" executed="([0-9]+)" passed="([0-9]+)".*/\1 \2 \3/p' "$1" 2>/dev/null |
    awk '{ p = $3; f = $2 - $3; s = $1 - $2 } END { print p + 0, f + 0, s + 0 }'
}

tap_counts() { # FILE
  awk '/^# pass /{ p = $3 } /^# (fail|cancelled) /{ f += $3 } /^# (skipped|todo) /{ s += $3 }
    END { print p + 0, f + 0, s + 0 }' "$1" 2>/dev/null
}

finish() {
  local status=$?
  trap - EXIT
  if [[ -n $job ]]; then kill -- "-$job" 2>/dev/null || true; fi
  rm -rf "$temp"
  if ((failed == 0 && (status != 0 || passed == 0))); then failed=1; fi
  echo "$passed passed, $failed failed, $skipped skipped"
  exit $((failed > 0))
}

main
