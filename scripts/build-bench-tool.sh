#!/usr/bin/env bash
# Builds the benchmarks' traffic tool: one static binary, native/build/cts-bench. It is not part of the package.
set -euo pipefail
cd "$(dirname "$0")/.."

target=native/build/cts-bench
if [ -x "$target" ] && [ -z "$(find native/bench scripts/build-bench-tool.sh -newer "$target" -print -quit)" ]; then
  exit 0
fi
mkdir -p native/build
"${CC:-cc}" -O2 -static -std=gnu11 -Wall -Wextra -Werror -Wshadow -o "$target.new" native/bench/*.c
mv "$target.new" "$target"
