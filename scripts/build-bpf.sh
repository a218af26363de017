#!/usr/bin/env bash
# Compiles every bpf/*.bpf.c into bpf/build/*.bpf.o (with BTF, without DWARF). Does nothing when no source changed.
set -euo pipefail
cd "$(dirname "$0")/.."

clang=${CLANG:-}
if [ -z "$clang" ]; then
  for version in 19 18 17 16 15 14 ""; do
    candidate=clang${version:+-$version}
    if command -v "$candidate" >/dev/null; then clang=$candidate; break; fi
  done
fi
[ -n "$clang" ] || { echo "build-bpf: no clang (14 or newer) found; install it with: apt-get install clang-19" >&2; exit 2; }

out=bpf/build
mkdir -p "$out"
fingerprint=$({ "$clang" --version | head -1; cat scripts/build-bpf.sh bpf/*.bpf.c bpf/lib/*.h; } | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/.stamp" 2>/dev/null || true)" = "$fingerprint" ] && exit 0

multiarch=$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
for source in bpf/*.bpf.c; do
  object=$out/$(basename "${source%.c}").o
  "$clang" -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter \
    -Ibpf -isystem "/usr/include/$multiarch" -fdebug-prefix-map="$PWD=." -c "$source" -o "$object.tmp" &
done
for job in $(jobs -p); do wait "$job"; done
for source in bpf/*.bpf.c; do
  object=$out/$(basename "${source%.c}").o
  mv "$object.tmp" "$object"
done
echo "$fingerprint" >"$out/.stamp"
