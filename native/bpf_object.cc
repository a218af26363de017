#include "bpf_object.h"

#include <bpf/bpf.h>

#include <cstring>

#include "btf.h"
#include "libbpf_log.h"

namespace cts {

namespace {

bool StartsWith(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// libbpf 1.1 predates SEC("tcx/…") and SEC("netkit/…"): such programs are tc programs.
void SetTypesUnknownToLibbpf(struct bpf_object* object) {
  struct bpf_program* program;
  bpf_object__for_each_program(program, object) {
    const char* section = bpf_program__section_name(program);
    if (StartsWith(section, "tcx/") || StartsWith(section, "netkit/")) {
      bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
    }
  }
}

}  // namespace

Napi::Function BpfObject::Define(Napi::Env env) {
  return DefineClass(env, "BpfObject",
                     {
                         InstanceMethod<&BpfObject::Open>("open"),
                         InstanceMethod<&BpfObject::Maps>("maps"),
                         InstanceMethod<&BpfObject::MapTypes>("mapTypes"),
                         InstanceMethod<&BpfObject::Programs>("programs"),
                         InstanceMethod<&BpfObject::Rodata>("rodata"),
                         InstanceMethod<&BpfObject::SetRodata>("setRodata"),
                         InstanceMethod<&BpfObject::SetMapMaxEntries>("setMapMaxEntries"),
                         InstanceMethod<&BpfObject::SetInnerMap>("setInnerMap"),
                         InstanceMethod<&BpfObject::ReuseMap>("reuseMap"),
                         InstanceMethod<&BpfObject::SetAutoload>("setAutoload"),
                         InstanceMethod<&BpfObject::Load>("load"),
                         InstanceMethod<&BpfObject::MapFd>("mapFd"),
                         InstanceMethod<&BpfObject::ProgramFd>("programFd"),
                         InstanceMethod<&BpfObject::Log>("log"),
                         InstanceMethod<&BpfObject::Close>("close"),
                     });
}

BpfObject::BpfObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfObject>(info) {}

struct bpf_map* BpfObject::FindMap(const Napi::Value& name) const {
  return bpf_object__find_map_by_name(object_.get(), Str(name).c_str());
}

// libbpf calls it "<object name>.rodata"; string constants live in further maps (".rodata.str1.1").
struct bpf_map* BpfObject::FindRodata() const {
  struct bpf_map* map;
  bpf_object__for_each_map(map, object_.get()) {
    const char* suffix = strstr(bpf_map__name(map), ".rodata");
    if (suffix != nullptr && strcmp(suffix, ".rodata") == 0) return map;
  }
  return nullptr;
}

struct bpf_program* BpfObject::FindProgram(const Napi::Value& name) const {
  return bpf_object__find_program_by_name(object_.get(), Str(name).c_str());
}

// open(bytes, name)
Napi::Value BpfObject::Open(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_object_open_opts, opts);
  const std::string name = Str(info[1]);
  opts.object_name = name.c_str();
  auto bytes = info[0].As<Napi::Uint8Array>();
  LibbpfLog log;
  struct bpf_object* object = bpf_object__open_mem(bytes.Data(), bytes.ByteLength(), &opts);
  const int rc = object == nullptr ? -errno : 0;
  log_ = log.text();
  object_.reset(object);
  if (object != nullptr) SetTypesUnknownToLibbpf(object);
  return Status(info.Env(), rc);
}

Napi::Value BpfObject::Maps(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array out = Napi::Array::New(env);
  uint32_t index = 0;
  struct bpf_map* map;
  bpf_object__for_each_map(map, object_.get()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, bpf_map__name(map)));
    entry.Set("type", Napi::Number::New(env, bpf_map__type(map)));
    entry.Set("keySizeBytes", Napi::Number::New(env, bpf_map__key_size(map)));
    entry.Set("valueSizeBytes", Napi::Number::New(env, bpf_map__value_size(map)));
    entry.Set("maxEntries", Napi::Number::New(env, bpf_map__max_entries(map)));
    entry.Set("flags", Napi::Number::New(env, bpf_map__map_flags(map)));
    entry.Set("isInternal", Napi::Boolean::New(env, bpf_map__is_internal(map)));
    out.Set(index++, entry);
  }
  return out;
}

// mapTypes(name) -> [key, value], as btfTypes describes them
Napi::Value BpfObject::MapTypes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct bpf_map* map = FindMap(info[0]);
  const struct btf* btf = bpf_object__btf(object_.get());
  if (map == nullptr || btf == nullptr) return Status(env, -ENOENT);
  Napi::Array out = Napi::Array::New(env, 2);
  out.Set(0U, DescribeBtfType(env, btf, bpf_map__btf_key_type_id(map)));
  out.Set(1U, DescribeBtfType(env, btf, bpf_map__btf_value_type_id(map)));
  return out;
}

Napi::Value BpfObject::Programs(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array out = Napi::Array::New(env);
  uint32_t index = 0;
  struct bpf_program* program;
  bpf_object__for_each_program(program, object_.get()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, bpf_program__name(program)));
    entry.Set("section", Napi::String::New(env, bpf_program__section_name(program)));
    entry.Set("type", Napi::Number::New(env, bpf_program__type(program)));
    out.Set(index++, entry);
  }
  return out;
}

Napi::Value BpfObject::Rodata(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct bpf_map* map = FindRodata();
  if (map == nullptr) return env.Undefined();
  size_t length = 0;
  const void* bytes = bpf_map__initial_value(map, &length);
  if (bytes == nullptr) return env.Undefined();
  return Napi::Buffer<uint8_t>::Copy(env, static_cast<const uint8_t*>(bytes), length);
}

Napi::Value BpfObject::SetRodata(const Napi::CallbackInfo& info) {
  struct bpf_map* map = FindRodata();
  if (map == nullptr) return Status(info.Env(), -ENOENT);
  auto bytes = info[0].As<Napi::Uint8Array>();
  return Status(info.Env(), bpf_map__set_initial_value(map, bytes.Data(), bytes.ByteLength()));
}

// setMapMaxEntries(name, count)
Napi::Value BpfObject::SetMapMaxEntries(const Napi::CallbackInfo& info) {
  struct bpf_map* map = FindMap(info[0]);
  return Status(info.Env(), map == nullptr ? -ENOENT : bpf_map__set_max_entries(map, U32(info[1])));
}

// setInnerMap(name, innerMapFd): the template of a map of maps. A duplicate is kept until close, because the caller may
// close its map before load.
Napi::Value BpfObject::SetInnerMap(const Napi::CallbackInfo& info) {
  struct bpf_map* map = FindMap(info[0]);
  if (map == nullptr) return Status(info.Env(), -ENOENT);
  int fd = DuplicateFd(I32(info[1]));
  if (fd < 0) return Status(info.Env(), fd);
  inner_maps_.push_back(std::make_unique<UniqueFd>(fd));
  return Status(info.Env(), bpf_map__set_inner_map_fd(map, fd));
}

// reuseMap(name, mapFd)
Napi::Value BpfObject::ReuseMap(const Napi::CallbackInfo& info) {
  struct bpf_map* map = FindMap(info[0]);
  return Status(info.Env(), map == nullptr ? -ENOENT : bpf_map__reuse_fd(map, I32(info[1])));
}

// setAutoload(programName, load)
Napi::Value BpfObject::SetAutoload(const Napi::CallbackInfo& info) {
  struct bpf_program* program = FindProgram(info[0]);
  if (program == nullptr) return Status(info.Env(), -ENOENT);
  return Status(info.Env(), bpf_program__set_autoload(program, info[1].ToBoolean()));
}

Napi::Value BpfObject::Load(const Napi::CallbackInfo& info) {
  LibbpfLog log;
  int rc = bpf_object__load(object_.get());
  log_ = log.text();
  return Status(info.Env(), rc);
}

// mapFd(name): a duplicate that the caller must adopt
Napi::Value BpfObject::MapFd(const Napi::CallbackInfo& info) {
  struct bpf_map* map = FindMap(info[0]);
  return Status(info.Env(), map == nullptr ? -ENOENT : DuplicateFd(bpf_map__fd(map)));
}

// programFd(name): a duplicate that the caller must adopt
Napi::Value BpfObject::ProgramFd(const Napi::CallbackInfo& info) {
  struct bpf_program* program = FindProgram(info[0]);
  return Status(info.Env(), program == nullptr ? -ENOENT : DuplicateFd(bpf_program__fd(program)));
}

Napi::Value BpfObject::Log(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), log_); }

void BpfObject::Close(const Napi::CallbackInfo&) {
  object_.reset();
  inner_maps_.clear();
}

}  // namespace cts
