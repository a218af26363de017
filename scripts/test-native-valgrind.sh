#!/usr/bin/env bash
# Runs the misuse table (test/native/children/misuse.ts) under valgrind: reads and writes outside of what was allocated,
# frees that do not fit, memory that is lost. Whether memory was written before it is read is not asked: valgrind 3.19 does
# not know what the kernel writes by bpf(2). Part of the long tests; needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "test-native-valgrind: install valgrind (Debian: apt-get install valgrind)" >&2; exit 2; }

copy=$(mktemp -d /tmp/cts-t-valgrind-XXXXXX)
trap 'umount -l "$copy/bpffs" 2>/dev/null || true; rm -rf "$copy"' EXIT
mkdir -p "$copy/dist/test" "$copy/bpffs"
mount -t bpf cts-t "$copy/bpffs"
ln -s "$PWD/prebuilds" "$copy/prebuilds"
ln -s "$PWD/bpf" "$copy/bpf"

clang=${CLANG:-}
for version in 19 18 17 16 15 14; do
  [ -n "$clang" ] || ! command -v "clang-$version" >/dev/null || clang=clang-$version
done
"${clang:-clang}" -target bpf -mcpu=v3 -O2 -g -isystem "/usr/include/$(gcc -print-multiarch)" \
  -c test/native/fixtures/kinds.bpf.c -o "$copy/kinds.bpf.o"
# One file, so that valgrind does not watch a compiler. It lies as deep as src/kernel does: the addon is looked for from there.
node_modules/.bin/esbuild test/native/children/misuse.ts --bundle --platform=node --format=esm --target=node20 \
  --log-level=warning --outfile="$copy/dist/test/misuse.mjs"

# Without its compiler V8 is slow, but makes no code that valgrind would have to be told of.
valgrind --quiet --error-exitcode=9 --error-limit=no --undef-value-errors=no --num-callers=30 \
  --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
  --suppressions=test/native/valgrind.supp --log-file="$copy/log" \
  node --jitless --expose-gc "$copy/dist/test/misuse.mjs" "$copy/kinds.bpf.o" "$copy/bpffs" || {
  status=$?
  grep -v 'unhandled eBPF command' "$copy/log" >&2 || true
  echo "test-native-valgrind: failed with $status" >&2
  exit "$status"
}
echo "test-native-valgrind: the misuse table runs clean" >&2
