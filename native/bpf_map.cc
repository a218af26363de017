#include "bpf_map.h"

#include <bpf/bpf.h>

#include <cstring>
#include <vector>

#include "async_call.h"

namespace cts {

Napi::Function BpfMap::Define(Napi::Env env) {
  return DefineClass(env, "BpfMap",
                     {
                         InstanceMethod<&BpfMap::Create>("create"),
                         InstanceMethod<&BpfMap::OpenPinned>("openPinned"),
                         InstanceMethod<&BpfMap::OpenById>("openById"),
                         InstanceMethod<&BpfMap::Adopt>("adopt"),
                         InstanceMethod<&BpfMap::Fd>("fd"),
                         InstanceMethod<&BpfMap::Info>("info"),
                         InstanceMethod<&BpfMap::Lookup>("lookup"),
                         InstanceMethod<&BpfMap::Update>("update"),
                         InstanceMethod<&BpfMap::Delete>("delete"),
                         InstanceMethod<&BpfMap::UpdateInnerAsync>("updateInnerAsync"),
                         InstanceMethod<&BpfMap::UpdateInnersAsync>("updateInnersAsync"),
                         InstanceMethod<&BpfMap::DeleteAsync>("deleteAsync"),
                         InstanceMethod<&BpfMap::NextKey>("nextKey"),
                         InstanceMethod<&BpfMap::LookupBatch>("lookupBatch"),
                         InstanceMethod<&BpfMap::UpdateBatch>("updateBatch"),
                         InstanceMethod<&BpfMap::DeleteBatch>("deleteBatch"),
                         InstanceMethod<&BpfMap::Pin>("pin"),
                         InstanceMethod<&BpfMap::Freeze>("freeze"),
                         InstanceMethod<&BpfMap::Close>("close"),
                     });
}

BpfMap::BpfMap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfMap>(info) {}

// create(type, name, keySize, valueSize, maxEntries, flags, innerMapFd or -1)
Napi::Value BpfMap::Create(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_map_create_opts, opts);
  opts.map_flags = U32(info[5]);
  int inner_fd = I32(info[6]);
  if (inner_fd >= 0) opts.inner_map_fd = static_cast<uint32_t>(inner_fd);
  const std::string name = Str(info[1]);
  auto type = static_cast<enum bpf_map_type>(U32(info[0]));
  return Status(info.Env(),
                fd_.Take(bpf_map_create(type, name.c_str(), U32(info[2]), U32(info[3]), U32(info[4]), &opts)));
}

// openPinned(path, openFlags)
Napi::Value BpfMap::OpenPinned(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_obj_get_opts, opts);
  opts.file_flags = U32(info[1]);
  return Status(info.Env(), fd_.Take(RequireKind(bpf_obj_get_opts(Str(info[0]).c_str(), &opts), "bpf-map")));
}

// openById(id, openFlags)
Napi::Value BpfMap::OpenById(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts);
  opts.open_flags = U32(info[1]);
  return Status(info.Env(), fd_.Take(bpf_map_get_fd_by_id_opts(U32(info[0]), &opts)));
}

// adopt(fd): takes over a descriptor that another call of the addon handed out
Napi::Value BpfMap::Adopt(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.Take(I32(info[0]))); }

Napi::Value BpfMap::Fd(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.get()); }

Napi::Value BpfMap::Info(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct bpf_map_info map = {};
  uint32_t length = sizeof(map);
  int rc = bpf_obj_get_info_by_fd(fd_.get(), &map, &length);
  if (rc < 0) return Status(env, rc);
  Napi::Object out = Napi::Object::New(env);
  out.Set("id", Napi::Number::New(env, map.id));
  out.Set("type", Napi::Number::New(env, map.type));
  out.Set("name", Napi::String::New(env, map.name, strnlen(map.name, sizeof(map.name))));
  out.Set("keySizeBytes", Napi::Number::New(env, map.key_size));
  out.Set("valueSizeBytes", Napi::Number::New(env, map.value_size));
  out.Set("maxEntries", Napi::Number::New(env, map.max_entries));
  out.Set("flags", Napi::Number::New(env, map.map_flags));
  out.Set("btfId", Napi::Number::New(env, map.btf_id));
  out.Set("btfKeyTypeId", Napi::Number::New(env, map.btf_key_type_id));
  out.Set("btfValueTypeId", Napi::Number::New(env, map.btf_value_type_id));
  return out;
}

// lookup(key, valueOut)
Napi::Value BpfMap::Lookup(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_map_lookup_elem(fd_.get(), BytesOf(info[0]), BytesOf(info[1])));
}

// update(key, value, flags)
Napi::Value BpfMap::Update(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_map_update_elem(fd_.get(), BytesOf(info[0]), BytesOf(info[1]), U32(info[2])));
}

Napi::Value BpfMap::Delete(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_map_delete_elem(fd_.get(), BytesOf(info[0])));
}

class BpfMap::UpdateInnerCall : public AsyncCall {
 public:
  UpdateInnerCall(int fd, const Napi::Value& key, int inner_fd, uint32_t flags)
      : key_(CopyOf(key)), flags_(flags) {
    Duplicate(fd, &map_);
    Duplicate(inner_fd, &inner_);
  }
  int Run() override {
    const int inner = inner_.get();  // a map of maps takes its value as a descriptor
    return bpf_map_update_elem(map_.get(), key_.data(), &inner, flags_);
  }

 private:
  UniqueFd map_;
  UniqueFd inner_;
  std::vector<uint8_t> key_;
  uint32_t flags_;
};

// ENOTSUPP of the kernel, which no header of user space has: this map has no batch call (maps of maps before 5.13).
constexpr int kNotSupported = 524;

class BpfMap::UpdateInnersCall : public AsyncCall {
 public:
  UpdateInnersCall(int fd, const Napi::Value& keys, const Napi::Array& inner_fds, uint32_t key_bytes)
      : keys_(CopyOf(keys)), inners_(inner_fds.Length()), key_bytes_(key_bytes) {
    Duplicate(fd, &map_);
    for (uint32_t i = 0; i < inners_.size(); i++) Duplicate(I32(inner_fds.Get(i)), &inners_[i]);
  }
  int Run() override {
    std::vector<int> values;
    for (const UniqueFd& inner : inners_) values.push_back(inner.get());
    uint32_t count = static_cast<uint32_t>(values.size());
    LIBBPF_OPTS(bpf_map_batch_opts, opts);
    int rc = bpf_map_update_batch(map_.get(), keys_.data(), values.data(), &count, &opts);
    if (rc != -EINVAL && rc != -kNotSupported) return rc;
    for (size_t i = 0; i < values.size(); i++) {
      rc = bpf_map_update_elem(map_.get(), keys_.data() + i * key_bytes_, &values[i], BPF_ANY);
      if (rc < 0) return rc;
    }
    return 0;
  }

 private:
  UniqueFd map_;
  std::vector<uint8_t> keys_;
  std::vector<UniqueFd> inners_;
  uint32_t key_bytes_;
};

class BpfMap::DeleteCall : public AsyncCall {
 public:
  DeleteCall(int fd, const Napi::Value& key) : key_(CopyOf(key)) { Duplicate(fd, &map_); }
  int Run() override { return bpf_map_delete_elem(map_.get(), key_.data()); }

 private:
  UniqueFd map_;
  std::vector<uint8_t> key_;
};

// updateInnerAsync(key, innerFd, flags) -> promise. A map of maps waits until no program can see the old inner map.
Napi::Value BpfMap::UpdateInnerAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(),
                          std::make_unique<UpdateInnerCall>(fd_.get(), info[0], I32(info[1]), U32(info[2])));
}

// updateInnersAsync(keys, innerFds, keyBytes) -> promise. As updateInnerAsync for several keys, which wait once.
Napi::Value BpfMap::UpdateInnersAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<UpdateInnersCall>(fd_.get(), info[0], info[1].As<Napi::Array>(),
                                                                         U32(info[2])));
}

// deleteAsync(key) -> promise
Napi::Value BpfMap::DeleteAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<DeleteCall>(fd_.get(), info[0]));
}

// nextKey(key or undefined, keyOut)
Napi::Value BpfMap::NextKey(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_map_get_next_key(fd_.get(), BytesOf(info[0]), BytesOf(info[1])));
}

// lookupBatch(cursorIn or undefined, cursorOut, keysOut, valuesOut, count) -> [rc, read]
Napi::Value BpfMap::LookupBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t count = U32(info[4]);
  int rc = bpf_map_lookup_batch(fd_.get(), BytesOf(info[0]), BytesOf(info[1]), BytesOf(info[2]), BytesOf(info[3]),
                                &count, nullptr);
  Napi::Array out = Napi::Array::New(env, 2);
  out.Set(0u, Napi::Number::New(env, rc));
  out.Set(1u, Napi::Number::New(env, count));
  return out;
}

// updateBatch(keys, values, count) -> [rc, done]
Napi::Value BpfMap::UpdateBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t count = U32(info[2]);
  int rc = bpf_map_update_batch(fd_.get(), BytesOf(info[0]), BytesOf(info[1]), &count, nullptr);
  Napi::Array out = Napi::Array::New(env, 2);
  out.Set(0u, Napi::Number::New(env, rc));
  out.Set(1u, Napi::Number::New(env, count));
  return out;
}

// deleteBatch(keys, count) -> [rc, done]
Napi::Value BpfMap::DeleteBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t count = U32(info[1]);
  int rc = bpf_map_delete_batch(fd_.get(), BytesOf(info[0]), &count, nullptr);
  Napi::Array out = Napi::Array::New(env, 2);
  out.Set(0u, Napi::Number::New(env, rc));
  out.Set(1u, Napi::Number::New(env, count));
  return out;
}

Napi::Value BpfMap::Pin(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_obj_pin(fd_.get(), Str(info[0]).c_str()));
}

Napi::Value BpfMap::Freeze(const Napi::CallbackInfo& info) { return Status(info.Env(), bpf_map_freeze(fd_.get())); }

void BpfMap::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

}  // namespace cts
