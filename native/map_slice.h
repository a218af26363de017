#pragma once

#include "common.h"

namespace cts {

/// lookupBatchAsync(mapFd, cursorIn or undefined, cursorOut, keysOut, valuesOut, count, outcome) -> promise of 0 or -errno.
/// `outcome` takes two words of 64 bits: entries read, and nanoseconds that the call held a CPU. The buffers are kept
/// alive, and are the call's until it ends.
Napi::Value LookupBatchAsync(const Napi::CallbackInfo& info);

}  // namespace cts
