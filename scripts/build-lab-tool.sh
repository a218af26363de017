#!/bin/sh
# Builds the lab's static C tool: native/lab/*.c -> prebuilds/linux-<arch>/cts-lab. Rebuilds only when a source is another.
set -eu
cd "$(dirname "$0")/.."

case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "build-lab-tool: no build for $(uname -m)" >&2; exit 1 ;;
esac
out="prebuilds/linux-$arch/cts-lab"
stamp=native/build/cts-lab.stamp

fingerprint=$(cat scripts/build-lab-tool.sh native/lab/*.[ch] | sha256sum)
[ -x "$out" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$fingerprint" ] && exit 0
mkdir -p "$(dirname "$out")" native/build
# Written beside and renamed: labs that run keep the old file.
${CC:-gcc} -static -O2 -Wall -Wextra -Werror -Wshadow -o "$out.new" native/lab/*.c
mv "$out.new" "$out"
echo "$fingerprint" >"$stamp"
