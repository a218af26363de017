#pragma once

#include "common.h"
#include "kernel_abi.h"

namespace cts {

/// What the kernel says of a link.
struct LinkFacts {
  LinkInfo info = {};
  char tracepoint[128] = {};

  /// Returns 0 or -errno. Takes the RTNL lock for links of devices.
  int Read(int fd);
};

/// JS `BpfLink`: one link descriptor. Closing it detaches unless the link is pinned.
class BpfLink : public Napi::ObjectWrap<BpfLink> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit BpfLink(const Napi::CallbackInfo& info);

 private:
  Napi::Value AttachDevice(const Napi::CallbackInfo& info);
  Napi::Value AttachCgroup(const Napi::CallbackInfo& info);
  Napi::Value AttachRawTracepoint(const Napi::CallbackInfo& info);
  Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  Napi::Value OpenById(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value OpenedInfo(const Napi::CallbackInfo& info);
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value Detach(const Napi::CallbackInfo& info);
  Napi::Value AttachDeviceAsync(const Napi::CallbackInfo& info);
  Napi::Value OpenPinnedAsync(const Napi::CallbackInfo& info);
  Napi::Value UpdateAsync(const Napi::CallbackInfo& info);
  Napi::Value DetachAsync(const Napi::CallbackInfo& info);
  Napi::Value Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  class OpenCall;
  class AttachDeviceCall;
  class OpenPinnedCall;
  class UpdateCall;
  class DetachCall;

  UniqueFd fd_;
  LinkFacts opened_;
};

/// Programs on a hook: queryHook(target, attachType, queryFlags, isDevice) -> {revision, programIds, linkIds} | -errno
Napi::Value QueryHook(const Napi::CallbackInfo& info);

}  // namespace cts
