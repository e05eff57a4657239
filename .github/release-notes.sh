#!/usr/bin/env bash
# Prints what CHANGELOG.md says about a version, without the heading.
#
#   .github/release-notes.sh 1.2.3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

notes=$(awk -v version="${1:?which version?}" '
  /^## / { inside = $2 == version || $2 == "[" version "]"; next }
  inside && (seen || NF) { seen = 1; print }' CHANGELOG.md)
if [[ -z $notes ]]; then
  echo "release-notes: CHANGELOG.md has no section '## $1', or an empty one" >&2
  exit 1
fi
echo "$notes"
