#!/usr/bin/env bash
# Builds what the clone runs from: BPF objects, the addon, the lab's tool, vendor/, dist/, oclif's manifest. Each step compares its
# inputs with what it built from last and does nothing when they are the same.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '[build] %s\n' "$*" >&2; }

hash_of() { # names and contents of all files below the paths
  find "$@" -type f ! -name '.stamp' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}
step() { # step NAME STAMP 'INPUT…' COMMAND…
  local name=$1 stamp=$2 hash
  # shellcheck disable=SC2086 # a list of paths
  hash=$(hash_of $3)
  shift 3
  [ "$(cat "$stamp" 2>/dev/null || true)" = "$hash" ] && return 0
  say "$name"
  "$@"
  printf '%s\n' "$hash" >"$stamp"
}

build_addon() {
  scripts/build-native.sh >&2 && return 0
  # Perhaps only Node's headers are missing: some distributions pack Node without them. (Debian's libnode-dev is no way
  # out: it brings a Node of its own to /usr/bin.)
  local version
  version=$(node -p process.versions.node)
  [ -e "$HOME/.cache/node-gyp/$version/include/node/uv.h" ] && return 1
  say "headers of Node $version"
  node node_modules/node-gyp/bin/node-gyp.js install "$version" >&2 && scripts/build-native.sh >&2
}

compile_typescript() {
  node node_modules/typescript/bin/tsc -p tsconfig.json
  # The compiler never deletes, so a command that was renamed would live on. Files stay in place otherwise: a lab that
  # runs from dist/ loads modules late.
  local file base
  while IFS= read -r file; do
    base=src/${file#dist/}
    base=${base%.js}
    [ -e "$base.ts" ] || [ -e "$base.tsx" ] || rm -f "$file"
  done < <(find dist -name '*.js')
}

scripts/build-bpf.sh >&2
build_addon
scripts/build-lab-tool.sh >&2
step "oclif in one file" vendor/.stamp "scripts/bundle-oclif.ts package-lock.json" node_modules/.bin/tsx scripts/bundle-oclif.ts >&2
step "TypeScript" dist/.stamp "src tsconfig.json package-lock.json" compile_typescript
step "command manifest" dist/commands/.stamp "dist/commands package.json" node node_modules/oclif/bin/run.js manifest >&2
