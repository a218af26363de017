#pragma once

#include "common.h"

namespace cts {

/// JS `MapIterator`: a file that yields the elements of one map, made of an iterator program and the map.
class MapIterator : public Napi::ObjectWrap<MapIterator> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit MapIterator(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  UniqueFd link_;  // kernels before 6.0 let the map go with it, under the reading file
  UniqueFd file_;
};

}  // namespace cts
