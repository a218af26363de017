#pragma once

#include "common.h"

namespace cts {

/// JS `BpfProgram`: one program descriptor.
class BpfProgram : public Napi::ObjectWrap<BpfProgram> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit BpfProgram(const Napi::CallbackInfo& info);

 private:
  Napi::Value LoadInstructions(const Napi::CallbackInfo& info);
  Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  Napi::Value OpenById(const Napi::CallbackInfo& info);
  Napi::Value Adopt(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value TestRun(const Napi::CallbackInfo& info);
  Napi::Value Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

}  // namespace cts
