#pragma once

#include "common.h"

namespace cts {

/// JS `BpfMap`: one map descriptor. Starts empty; create, openPinned, openById or adopt fill it.
class BpfMap : public Napi::ObjectWrap<BpfMap> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit BpfMap(const Napi::CallbackInfo& info);

 private:
  Napi::Value Create(const Napi::CallbackInfo& info);
  Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  Napi::Value OpenById(const Napi::CallbackInfo& info);
  Napi::Value Adopt(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Lookup(const Napi::CallbackInfo& info);
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value Delete(const Napi::CallbackInfo& info);
  Napi::Value UpdateInnerAsync(const Napi::CallbackInfo& info);
  Napi::Value UpdateInnersAsync(const Napi::CallbackInfo& info);
  Napi::Value DeleteAsync(const Napi::CallbackInfo& info);
  Napi::Value NextKey(const Napi::CallbackInfo& info);
  Napi::Value LookupBatch(const Napi::CallbackInfo& info);
  Napi::Value UpdateBatch(const Napi::CallbackInfo& info);
  Napi::Value DeleteBatch(const Napi::CallbackInfo& info);
  Napi::Value Pin(const Napi::CallbackInfo& info);
  Napi::Value Freeze(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  class UpdateInnerCall;
  class UpdateInnersCall;
  class DeleteCall;

  UniqueFd fd_;
};

}  // namespace cts
