#pragma once

#include "common.h"

namespace cts {

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
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value Detach(const Napi::CallbackInfo& info);
  Napi::Value Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

/// Programs on a hook: queryHook(target, attachType, queryFlags, isDevice) -> {revision, programIds, linkIds} | -errno
Napi::Value QueryHook(const Napi::CallbackInfo& info);

}  // namespace cts
