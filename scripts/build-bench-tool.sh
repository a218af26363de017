#!/usr/bin/env bash
# Builds the benchmarks' traffic tool: one static binary, native/build/cts-bench. It is not part of the package.
set -euo pipefail
cd "$(dirname "$0")/.."

target=native/build/cts-bench
fingerprint=$(cat scripts/build-bench-tool.sh native/bench/*.[ch] | sha256sum)
[ -x "$target" ] && [ "$(cat "$target.stamp" 2>/dev/null || true)" = "$fingerprint" ] && exit 0
mkdir -p native/build
"${CC:-cc}" -O2 -static -std=gnu11 -Wall -Wextra -Werror -Wshadow -o "$target.new" native/bench/*.c
mv "$target.new" "$target"
echo "$fingerprint" >"$target.stamp"
