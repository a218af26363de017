#!/usr/bin/env bash
# What can be said about the sources without running them: format, lint, layers, types, caps, generated files. All checks
# run even after one failed, so that one run names everything.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
check() { # check NAME COMMAND…
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" || failed+=("$name")
}
tsx=(node --import tsx)

check "format and lint" node_modules/.bin/biome check --diagnostic-level=warn .
check "types" node node_modules/typescript/bin/tsc --noEmit -p tsconfig.test.json
check "caps" "${tsx[@]}" scripts/checks/caps.ts
check "layer rules in biome.json" "${tsx[@]}" scripts/generate-layer-rules.ts --check
check "generated map layouts" "${tsx[@]}" scripts/generate-abi.ts --check
check "generated schemas" "${tsx[@]}" scripts/generate-schemas.ts --check
check "generated command pages" "${tsx[@]}" scripts/generate-docs.ts --check

if [ ${#failed[@]} -gt 0 ]; then
  printf 'checks failed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
echo "checks: all passed"
