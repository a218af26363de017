#pragma once

#include "common.h"

namespace cts {

/// JS `RunStats`: the kernel counts runs and run time of all programs while one of these is open (BPF_ENABLE_STATS).
class RunStats : public Napi::ObjectWrap<RunStats> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit RunStats(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

}  // namespace cts
