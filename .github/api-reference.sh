#!/usr/bin/env bash
# Makes the API reference, as pages to be opened in a browser, from the XML documentation of what was built.
#
#   .github/api-reference.sh FILE.tar.gz
set -euo pipefail
file=$(realpath -m "${1:?which file?}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
dotnet tool restore
dotnet docfx docs/api/docfx.json --output "$pages" --logLevel error
mkdir -p "$(dirname "$file")"
tar -czf "$file" -C "$pages" --transform 's,^\.,api-reference,' .
