#pragma once

#include "common.h"

namespace cts {

// tc programs on the clsact qdisc: how programs attach where the kernel has no tcx (before 6.6).
// ingress = true stands for the ingress side of the device.

/// clsactAttach(ifindex, ingress, programFd, handle, priority, replace) -> [rc, handle, priority, createdQdisc]
Napi::Value ClsactAttach(const Napi::CallbackInfo& info);
/// clsactDetach(ifindex, ingress, handle, priority) -> rc
Napi::Value ClsactDetach(const Napi::CallbackInfo& info);
/// clsactDestroy(ifindex) -> rc: removes the qdisc and every filter on it
Napi::Value ClsactDestroy(const Napi::CallbackInfo& info);
/// clsactFilters(ifindex, ingress) -> [{priority, handle, protocol, kind, name, programId, directAction}] | -errno
Napi::Value ClsactFilters(const Napi::CallbackInfo& info);

}  // namespace cts
