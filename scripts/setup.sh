#!/usr/bin/env bash
# Makes a clone ready to run: system packages, npm packages, then everything that is built. Each step leaves a stamp
# with a hash of its inputs beside its product, so a second run only compares hashes.
#
#   scripts/setup.sh          all of it
#   scripts/setup.sh --check  only name the missing system packages (exit 2 if there are some)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '[setup] %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

node_floor="20.19.0"
command -v node >/dev/null || die "node is not on PATH; Node $node_floor or newer is needed (https://nodejs.org)"
node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>20||(a===20&&b>=19)?0:1)' ||
  die "Node $(node -p process.versions.node) is too old; $node_floor or newer is needed"
if [ "$(uname -s)" != Linux ]; then
  die "the datapath, the lab and their tests need Linux; on $(uname -s) only the command line works: npm ci && npx tsc"
fi

# Two set-ups at once (a demo beside a test run) must not build into the same files.
if [ -z "${CTS_SETUP_LOCKED:-}" ] && command -v flock >/dev/null; then
  exec env CTS_SETUP_LOCKED=1 flock "$PWD/package.json" "$0" "$@"
fi

scripts/system-packages.sh "$@"
[ "${1:-}" = --check ] && exit 0

# Packages: again when the lock file changed since they were installed.
lock_hash=$(sha256sum package-lock.json | cut -d' ' -f1)
npm_stamp=node_modules/.cts-lock-hash
if [ "$(cat "$npm_stamp" 2>/dev/null || true)" != "$lock_hash" ]; then
  if [ -f node_modules/.package-lock.json ] && [ node_modules/.package-lock.json -nt package-lock.json ]; then
    : # installed by hand after the lock file was written
  else
    say "npm packages (npm ci)"
    npm ci --no-audit --no-fund --loglevel=error >&2
  fi
  printf '%s\n' "$lock_hash" >"$npm_stamp"
fi

scripts/build.sh
