#!/usr/bin/env bash
# Builds the addon: native/*.cc → prebuilds/linux-<arch>/cilium_ts.node, with libbpf, libelf and libz beside it.
# Plain g++ instead of node-gyp: no Python, no download, and a run without changes ends in a fraction of a second.
set -euo pipefail
cd "$(dirname "$0")/.."

machine=$(uname -m)
case "${NATIVE_TARGET:-$machine}" in # another target than this machine: see scripts/build-native-arm64.sh
  x86_64) arch=x64 triplet=x86_64-linux-gnu ;;
  aarch64) arch=arm64 triplet=aarch64-linux-gnu ;;
  *) echo "build-native: unsupported machine ${NATIVE_TARGET:-$machine}" >&2; exit 1 ;;
esac
out="prebuilds/linux-$arch"
build="native/build"
cxx="${CXX:-g++}"
library_folders=("/usr/lib/$triplet" "/lib/$triplet" /usr/lib64 /usr/lib)
if [ "${NATIVE_TARGET:-$machine}" != "$machine" ]; then
  build="native/build/$arch"
  out="$build/prebuilds" # beside what is shipped: nothing has run it
  cxx="${CXX:-$triplet-g++}"
  library_folders=("${NATIVE_LIBRARIES:?the folder of libbpf.so.1, libelf.so.1 and libz.so.1 of $triplet}")
fi
sanitize="${NATIVE_SANITIZE:-}" # for example address,undefined: see scripts/test-native-sanitized.sh

# Headers of N-API and libuv come with Node itself (its tarball and the NodeSource packages have them in include/node).
find_node_headers() {
  local prefix
  prefix="$(dirname "$(dirname "$(node -p 'process.execPath')")")"
  for dir in "${NODE_HEADERS:-}" "$prefix/include/node" /usr/include/node /usr/include/nodejs/src \
    "$HOME/.cache/node-gyp/$(node -p 'process.versions.node')/include/node"; do
    if [ -n "$dir" ] && [ -f "$dir/node_api.h" ] && { [ -f "$dir/uv.h" ] || [ -f /usr/include/uv.h ]; }; then
      echo "$dir"
      return
    fi
  done
  echo "build-native: no node_api.h and uv.h found beside $(command -v node); set NODE_HEADERS, or run: npx node-gyp install" >&2
  return 1
}

hash_of() { sha256sum "$@" | sha256sum | cut -c1-64; }

common="$(hash_of scripts/build-native.sh native/*.h native/exports.map node_modules/node-addon-api/package.json)"
everything="$common $(hash_of native/*.cc)"
if [ -f "$out/cilium_ts.node" ] && [ "$(cat "$build/stamp" 2>/dev/null)" = "$everything" ]; then
  exit 0
fi

headers="$(find_node_headers)"
mkdir -p "$build" "$out"
flags=(-std=c++20 -O2 -g1 -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -Wall -Wextra -Werror -Wshadow
  -Wno-missing-field-initializers -ffunction-sections -fdata-sections
  -isystem node_modules/node-addon-api -isystem "$headers")
if [ "$build" != native/build ]; then # libbpf's headers are the same everywhere, those beside them are not
  mkdir -p "$build/include"
  ln -sfn /usr/include/bpf "$build/include/bpf"
  flags+=(-isystem "$build/include")
fi

runtime=(-static-libstdc++ -static-libgcc -Wl,--gc-sections)
if [ -n "$sanitize" ]; then
  flags+=(-O1 -g "-fsanitize=$sanitize" -fno-omit-frame-pointer)
  runtime=("-fsanitize=$sanitize")
fi

compile() {
  local source="$1" object stamp
  object="$build/$(basename "$source" .cc).o"
  stamp="$common $(hash_of "$source")"
  if [ ! -f "$object" ] || [ "$(cat "$object.stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "  CXX $source"
    "$cxx" "${flags[@]}" -c "$source" -o "$object"
    echo "$stamp" >"$object.stamp"
  fi
}

# Two compilers side by side; `wait -n` hands on the first failure.
objects=()
running=0
for source in native/*.cc; do
  objects+=("$build/$(basename "$source" .cc).o")
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n
    running=$((running - 1))
  fi
  compile "$source" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n
  running=$((running - 1))
done

library_path() {
  for dir in "${library_folders[@]}"; do
    if [ -f "$dir/$1" ]; then
      readlink -f "$dir/$1"
      return
    fi
  done
  echo "build-native: $1 not found (Debian: apt-get install libbpf-dev libelf-dev zlib1g-dev)" >&2
  return 1
}

# Debian's static libraries are not position-independent, so the shared ones travel beside the addon.
for library in libbpf.so.1 libelf.so.1 libz.so.1; do
  cp "$(library_path "$library")" "$build/$library"
  chmod 755 "$build/$library"
  mv "$build/$library" "$out/$library" # by rename: a running process may have the old one mapped
done

# All three are named as needed by the addon itself: a RUNPATH does not hold for the libraries of a library, but what is
# already loaded by its soname is not looked for again.
echo "  LD $out/cilium_ts.node"
"$cxx" -shared -o "$build/cilium_ts.node" "${objects[@]}" \
  -Wl,--no-as-needed "$out/libbpf.so.1" "$out/libelf.so.1" "$out/libz.so.1" -Wl,--as-needed \
  "${runtime[@]}" -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN' \
  -Wl,-rpath-link,"$out" -Wl,--exclude-libs,ALL -Wl,--version-script=native/exports.map -Wl,-z,now -Wl,-z,relro
mv "$build/cilium_ts.node" "$out/cilium_ts.node"
echo "$everything" >"$build/stamp"
