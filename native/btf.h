#pragma once

#include <bpf/btf.h>

#include "common.h"

namespace cts {

/// kernelEnum(name) -> [[name, value bigint], …] | undefined (no such enum) | -errno. Parses and frees the kernel's BTF.
Napi::Value KernelEnum(const Napi::CallbackInfo& info);
/// kernelBtfIds(names) -> [id or 0, …] | -errno. Functions, and the typedefs that stand for tracepoints.
Napi::Value KernelBtfIds(const Napi::CallbackInfo& info);
/// btfTypes(btfId, typeIds) -> [description | undefined, …] | -errno
Napi::Value BtfTypes(const Napi::CallbackInfo& info);
/// btfTypesByName(btfId, names) -> [description | undefined, …] | -errno
Napi::Value BtfTypesByName(const Napi::CallbackInfo& info);

/// A type as the two above describe it; undefined for type 0.
Napi::Value DescribeBtfType(Napi::Env env, const struct btf* btf, uint32_t type_id);

}  // namespace cts
