#!/usr/bin/env bash
# Whether a tag may be released: it is the version that is built, and CHANGELOG.md has a section about it.
#
#   .github/release-version.sh v1.2.3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "release-version: $*" >&2
  exit 1
}

[[ ${1:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "the tag '${1:-}' is not of the form v1.2.3 or v1.2.3-rc.1"
version=${1#v}
built=$(dotnet msbuild src/Matrix.ToDevice/Matrix.ToDevice.csproj -getProperty:Version)
[[ $built == "$version" ]] || fail "the tag is $1, and Directory.Build.props says $built"
.github/release-notes.sh "$version" >/dev/null
echo "$version"
