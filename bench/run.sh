#!/usr/bin/env bash
# The whole path of a request over real Kestrel, on each store and in the sample host, beside a bare endpoint, in one run: prints the table
# "Over HTTP" of docs/performance.md and draws its picture. Needs PostgreSQL's programs, as ./test.sh installs them. With a revision of
# this repository, that one is built too and measured in turn with this one.
#
#   bench/run.sh [ROUNDS [REVISION]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build() {
    dotnet build "$1/bench/Matrix.ToDevice.Bench" -c Release -warnaserror -v quiet --tl:off
    dotnet build "$1/samples/LocalHomeserver" -c Release -warnaserror -v quiet --tl:off
}

build .
earlier=
if [ $# -gt 1 ]; then
    earlier=$(mktemp -d)
    trap 'git worktree remove --force "$earlier"' EXIT
    git worktree add --detach "$earlier" "$2"
    build "$earlier"
fi

bench/Matrix.ToDevice.Bench/bin/Release/net10.0/Matrix.ToDevice.Bench http "${1:-3}" docs/over-http.svg ${earlier:+"$earlier"}
