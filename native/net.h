#pragma once

#include "common.h"

namespace cts {

// Small questions to the kernel that need no object: interfaces, clocks, CPUs, lists of ids.
Napi::Value InterfaceIndex(const Napi::CallbackInfo& info);
Napi::Value InterfaceName(const Napi::CallbackInfo& info);
Napi::Value InterfaceMac(const Napi::CallbackInfo& info);
Napi::Value ClockNs(const Napi::CallbackInfo& info);
Napi::Value NetnsCookie(const Napi::CallbackInfo& info);
Napi::Value PossibleCpus(const Napi::CallbackInfo& info);
Napi::Value MapIds(const Napi::CallbackInfo& info);
Napi::Value ProgramIds(const Napi::CallbackInfo& info);
Napi::Value LinkIds(const Napi::CallbackInfo& info);

}  // namespace cts
