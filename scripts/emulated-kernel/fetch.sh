#!/usr/bin/env bash
# An emulator and a kernel to run in it: Debian's own, fetched and unpacked once, with a static busybox for its first process.
# Prints the folder: vmlinuz, lib/modules/, busybox. Ends with 2 where that cannot be had, the last line says why.
#
#   scripts/emulated-kernel/fetch.sh
#
# CTS_EMULATED_KERNEL_DIR is a folder that has the three already.
set -euo pipefail

missing() { echo "emulated kernel: $*" >&2; exit 2; }

"$(dirname "$0")/../system-packages.sh" --emulator >&2 || missing "no emulator (qemu-system-x86)"
if [ -n "${CTS_EMULATED_KERNEL_DIR:-}" ]; then
  [ -e "$CTS_EMULATED_KERNEL_DIR/vmlinuz" ] || missing "CTS_EMULATED_KERNEL_DIR has no vmlinuz"
  echo "$CTS_EMULATED_KERNEL_DIR"
  exit 0
fi

[ "$(uname -m)" = x86_64 ] || missing "the package is for x86-64"
image=linux-image-cloud-amd64
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-cilium-ts/$image
if [ -e "$cache/.complete" ]; then
  echo "$cache"
  exit 0
fi

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "apt-get fetches the package $image, and this system has none"
mkdir -p "${cache%/*}"
work=$(mktemp -d "$cache.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
# apt's lists may be old: a version that they name and the archive has no more is fetched again with new ones.
fetch() { apt-get download -qq "$@" >&2 2>/dev/null || { apt-get update -qq >&2 && apt-get download -qq "$@" >&2; }; }
fetch "$image" busybox-static || missing "apt-get cannot fetch $image and busybox-static"
# The package is a name for the newest one.
fetch "$(dpkg-deb --field "$image"_*.deb Depends | cut -d' ' -f1)" || missing "apt-get cannot fetch the kernel behind $image"
for package in linux-image-[0-9]*.deb busybox-static_*.deb; do dpkg-deb --extract "$package" .; done
rm -- *.deb
release=$(ls lib/modules)
mv "boot/vmlinuz-$release" vmlinuz
mv bin/busybox busybox
./busybox depmod -b . "$release"
rm -rf boot usr bin etc
touch .complete
mv -T "$work" "$cache"
echo "$cache"
