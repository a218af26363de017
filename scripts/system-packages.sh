#!/usr/bin/env bash
# Names what the build, the lab and the tests need of the system and is missing. As root on Debian or Ubuntu it installs
# that; elsewhere it prints the one command that does and ends with 2. apt's lists are only fetched when something is
# missing, so a machine that has everything needs no network here.
#
#   scripts/system-packages.sh [--check | --emulator]
#
# --emulator asks for what runs the tests on another kernel instead.
set -euo pipefail

say() { printf '[setup] %s\n' "$*" >&2; }

has_command() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
has_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }
# `-mcpu=v3` code that the verifier accepts in whole comes from clang 14 on.
has_clang() {
  local version
  for version in 22 21 20 19 18 17 16 15 14; do has_command "clang-$version" && return 0; done
  has_command clang && [ "$(clang -dumpversion | cut -d. -f1)" -ge 14 ]
}

missing=()
require() { # require PACKAGE PROBE…
  local package=$1
  shift
  "$@" || missing+=("$package")
}

if [ "${1:-}" = --emulator ]; then
  require qemu-system-x86 has_command qemu-system-x86_64
else
  require clang has_clang
  require libbpf-dev has_header bpf/bpf_helpers.h
  require libelf-dev has_header libelf.h
  require zlib1g-dev has_header zlib.h
  require build-essential has_command g++
  require iproute2 has_command ip
  require iptables has_command iptables
  require nftables has_command nft
  require kubectl has_command kubectl
fi

[ ${#missing[@]} -eq 0 ] && exit 0

distribution=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-}" "${ID_LIKE:-}" || true)
case " $distribution " in
*" debian "* | *" ubuntu "*) ;;
*)
  say "missing on this system (Debian's names): ${missing[*]}"
  if has_command dnf; then
    say "install them with: dnf install clang libbpf-devel elfutils-libelf-devel zlib-devel gcc-c++ make iproute iptables-nft nftables kubernetes-client"
  elif has_command pacman; then
    say "install them with: pacman -S clang libbpf libelf zlib base-devel iproute2 iptables-nft nftables kubectl"
  elif has_command apk; then
    say "install them with: apk add clang libbpf-dev elfutils-dev zlib-dev build-base linux-headers iproute2 iptables nftables kubectl"
  else
    say "install them with this system's package manager"
  fi
  exit 2
  ;;
esac

# Package names differ between releases: take the newest clang on offer, and kubectl where the distribution packs it.
has_candidate() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }
package_of() {
  local version
  case $1 in
  clang)
    for version in 19 18 17 16 15 14; do
      if has_candidate "clang-$version"; then
        echo "clang-$version"
        return
      fi
    done
    echo clang
    ;;
  kubectl) if has_candidate kubectl; then echo kubectl; elif has_candidate kubernetes-client; then echo kubernetes-client; fi ;;
  *) echo "$1" ;;
  esac
}

if [ "$(id -u)" -eq 0 ] && [ "${1:-}" != --check ]; then
  say "missing: ${missing[*]}; fetching apt's lists"
  apt-get update -qq >&2
fi
packages=()
for name in "${missing[@]}"; do
  # shellcheck disable=SC2207 # names without blanks
  packages+=($(package_of "$name"))
done
[ ${#packages[@]} -eq 0 ] && exit 0
# shellcheck disable=SC2207
packages=($(printf '%s\n' "${packages[@]}" | sort -u))
command_line="apt-get install -y --no-install-recommends ${packages[*]}"

if [ "$(id -u)" -ne 0 ] || [ "${1:-}" = --check ]; then
  say "missing system packages: ${packages[*]}"
  say "install them as root with: apt-get update && $command_line"
  exit 2
fi
say "$command_line"
DEBIAN_FRONTEND=noninteractive $command_line >&2
