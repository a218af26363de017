#!/usr/bin/env bash
# Packs what the emulator boots from, an initramfs: the folder FILES, programs of this machine with the libraries that they
# name, the kernel's network modules.
#
#   scripts/emulated-kernel/image.sh KERNEL_DIR FILES IMAGE
#
# FILES/command is what its first process runs (see init).
set -euo pipefail
cd "$(dirname "$0")/../.."
kernel=$1 root=$2 image=$3

# A program or a library of this machine, at its place.
add_binary() {
  local file
  for file in "$1" $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*'); do
    mkdir -p "$root${file%/*}"
    cp -L "$file" "$root$file"
  done
}
for program in node ip; do add_binary "$(command -v "$program")"; done
# Addons of npm packages name libraries of their own.
while IFS= read -r addon; do add_binary "$addon"; done < <(find "$root/project/node_modules" -name '*.node' 2>/dev/null)

mkdir -p "$root/bin"
cp "$kernel/busybox" "$root/bin/busybox"
cp scripts/emulated-kernel/init "$root/init"

release=$(ls "$kernel/lib/modules")
from=$kernel/lib/modules/$release to=$root/lib/modules/$release
mkdir -p "$to/kernel/drivers/net" "$to/kernel/net"
cp "$from"/modules.* "$to"
cp -r "$from"/kernel/drivers/net/{*.ko,vxlan} "$to/kernel/drivers/net"
cp -r "$from"/kernel/net/{802,bridge,core,ipv4,ipv6,llc,netfilter,sched} "$to/kernel/net"
cp -r "$from"/kernel/{crypto,lib} "$to/kernel"

(cd "$root" && find . | "$kernel/busybox" cpio -o -H newc 2>/dev/null) >"$image"
