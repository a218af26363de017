#!/bin/sh
# Builds the lab's static C tool: native/lab/*.c -> prebuilds/linux-<arch>/cts-lab. Rebuilds only when a source is newer.
set -eu
cd "$(dirname "$0")/.."

case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "build-lab-tool: no build for $(uname -m)" >&2; exit 1 ;;
esac
out="prebuilds/linux-$arch/cts-lab"

if [ -x "$out" ] && [ -z "$(find native/lab scripts/build-lab-tool.sh -newer "$out" -type f)" ]; then
  exit 0
fi
mkdir -p "$(dirname "$out")"
# Written beside and renamed: labs that run keep the old file.
${CC:-gcc} -static -O2 -Wall -Wextra -Werror -Wshadow -o "$out.new" native/lab/*.c
mv "$out.new" "$out"
