#pragma once

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

}  // namespace cts
