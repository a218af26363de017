#!/usr/bin/env bash
# Compiles the addon for arm64 by a cross-compiler → native/build/arm64/prebuilds/. It is looked at, not run and not shipped:
# no arm64 machine is part of the tests. Needs Debian or Ubuntu: g++-aarch64-linux-gnu; the libraries come as arm64 packages of the same release,
# unpacked beside the build, so that apt's own settings stay as they are. Part of the long tests; ends with 2 where the
# compiler or the libraries cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
triplet=aarch64-linux-gnu
build=$PWD/native/build/arm64

lack() { # lack WHAT
  echo "build-native-arm64: no $1; on Debian or Ubuntu: apt-get install g++-aarch64-linux-gnu" >&2
  exit 2
}

command -v apt-get >/dev/null || lack "apt-get, by which the libraries of arm64 come"
if ! command -v $triplet-g++ >/dev/null; then
  [ "$(id -u)" -eq 0 ] || lack "$triplet-g++"
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends g++-aarch64-linux-gnu >&2 ||
    lack "$triplet-g++, and it cannot be installed"
fi

libraries=$build/root/usr/lib/$triplet
if [ ! -e "$libraries/libbpf.so.1" ]; then
  mkdir -p "$build/apt/state/lists/partial" "$build/apt/cache/archives/partial" "$build/root"
  options=(-qq -o "Dir::State=$build/apt/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$build/apt/cache"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update >&2 || lack "list of the packages of arm64"
  (cd "$build/apt" && apt-get "${options[@]}" download libbpf1 libelf1 zlib1g >&2) || lack "packages of arm64"
  for package in "$build"/apt/*.deb; do dpkg-deb --extract "$package" "$build/root"; done
  # Debian 12 still has zlib in /lib.
  [ ! -d "$build/root/lib/$triplet" ] || cp -a "$build/root/lib/$triplet/." "$libraries/"
  rm -rf "$build/apt"
fi

NATIVE_TARGET=aarch64 NATIVE_LIBRARIES=$libraries scripts/build-native.sh

# What a test on such a machine would see first: the right machine, its libraries beside it, nothing above GLIBC_2.34.
for file in cilium_ts.node libbpf.so.1 libelf.so.1 libz.so.1; do
  path=$build/prebuilds/$file
  $triplet-readelf -h "$path" | grep -q AArch64 || { echo "build-native-arm64: $path is not for arm64" >&2; exit 1; }
  newest=$($triplet-readelf -W --dyn-syms "$path" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
  [ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -1)" = GLIBC_2.34 ] ||
    { echo "build-native-arm64: $path needs $newest" >&2; exit 1; }
done
$triplet-readelf -d "$build/prebuilds/cilium_ts.node" | grep -q '\[$ORIGIN\]' ||
  { echo "build-native-arm64: the addon does not look for its libraries beside itself" >&2; exit 1; }
echo "build-native-arm64: native/build/arm64/prebuilds compiled; its tests are not run" >&2
