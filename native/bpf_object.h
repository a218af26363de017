#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>
#include <vector>

#include "common.h"

namespace cts {

/// JS `BpfObject`: one compiled BPF object file, from parsing to loading. Maps and programs that it hands out are
/// duplicates of its descriptors and outlive it.
class BpfObject : public Napi::ObjectWrap<BpfObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit BpfObject(const Napi::CallbackInfo& info);

 private:
  struct CloseObject {
    void operator()(struct bpf_object* object) const { bpf_object__close(object); }
  };

  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Maps(const Napi::CallbackInfo& info);
  Napi::Value MapTypes(const Napi::CallbackInfo& info);
  Napi::Value Programs(const Napi::CallbackInfo& info);
  Napi::Value Rodata(const Napi::CallbackInfo& info);
  Napi::Value SetRodata(const Napi::CallbackInfo& info);
  Napi::Value SetMapMaxEntries(const Napi::CallbackInfo& info);
  Napi::Value SetInnerMap(const Napi::CallbackInfo& info);
  Napi::Value ReuseMap(const Napi::CallbackInfo& info);
  Napi::Value SetAutoload(const Napi::CallbackInfo& info);
  Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value MapFd(const Napi::CallbackInfo& info);
  Napi::Value ProgramFd(const Napi::CallbackInfo& info);
  Napi::Value Log(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  struct bpf_map* FindMap(const Napi::Value& name) const;
  struct bpf_map* FindRodata() const;
  struct bpf_program* FindProgram(const Napi::Value& name) const;

  std::unique_ptr<struct bpf_object, CloseObject> object_;
  std::vector<std::unique_ptr<UniqueFd>> inner_maps_;  // libbpf reads them at load and never closes them
  std::string log_;  // what libbpf printed during the last open or load
};

}  // namespace cts
