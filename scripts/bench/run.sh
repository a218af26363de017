#!/usr/bin/env bash
# Builds the traffic tool and runs the benchmarks; arguments as scripts/bench/run.ts.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ "$(id -u)" -eq 0 ] || { echo "the benchmarks make network namespaces: run as root" >&2; exit 2; }
scripts/build-bench-tool.sh
exec node --import tsx scripts/bench/run.ts "$@"
