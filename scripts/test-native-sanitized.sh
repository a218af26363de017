#!/usr/bin/env bash
# Runs the native suite over an addon that is compiled with AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of
# the tree, so that the addon in prebuilds/ stays what is shipped. Part of the long tests; needs root.
#
#   scripts/test-native-sanitized.sh [test/native/FILE.test.ts…]   (default: all that say something here)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$(mktemp -d /tmp/cts-t-sanitized-XXXXXX)
trap 'rm -rf "$copy"' EXIT

mkdir -p "$copy/src" "$copy/test" "$copy/scripts" "$copy/native/build" "$copy/bpf"
cp -r src/kernel src/lib src/model "$copy/src/"
cp -r test/native test/support "$copy/test/"
cp -r scripts/tests scripts/build-native.sh "$copy/scripts/"
cp native/*.cc native/*.h native/exports.map "$copy/native/"
cp -r bpf/build "$copy/bpf/"
cp package.json tsconfig*.json vitest.config.ts "$copy/"
ln -s "$root/node_modules" "$copy/node_modules"

cd "$copy"
NATIVE_SANITIZE=address,undefined scripts/build-native.sh >&2
# Node itself is not instrumented: the runtime has to be there before it, and its own memory is not ours to judge.
export LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS
LD_PRELOAD=$("${CXX:-g++}" -print-file-name=libasan.so)
ASAN_OPTIONS=detect_leaks=0:handle_segv=0:abort_on_error=1
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Not here: what is shipped has another shape (addon.test.ts), and the sanitizer keeps freed memory (features, rounds).
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(ls test/native/*.test.ts | grep -vE '/(addon|features|rounds)\.test\.ts$')
node node_modules/vitest/vitest.mjs run --project native "${files[@]}"
