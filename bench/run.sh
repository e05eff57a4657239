#!/usr/bin/env bash
# The whole path of a request over real Kestrel, on each store, beside a bare endpoint, in one run: prints the table "Over HTTP" of
# docs/performance.md and draws its picture. 15 minutes; needs PostgreSQL's programs, as ./test.sh installs them.
#
#   bench/run.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dotnet build bench/Matrix.ToDevice.Bench -c Release -warnaserror -v quiet --tl:off
bench/Matrix.ToDevice.Bench/bin/Release/net10.0/Matrix.ToDevice.Bench http "${1:-3}" docs/over-http.svg
